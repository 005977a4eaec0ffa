"""Places in a C file that a template works on: statements, calls, heads of functions and branches, as whole lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patchkit.errors import AnchorError
from patchkit.patching.csource import syntax
from patchkit.patching.csource.file import CSource
from patchkit.patching.csource.members import (
    MemberComparison,
    assigned_from,
    assigned_to,
    assignment,
    assigns,
    increment,
)
from patchkit.patching.csource.style import Style
from patchkit.patching.csource.whole_lines import COMMENTS, Lines, in_braces, own_lines

if TYPE_CHECKING:
    from tree_sitter import Node

_WHOLE_STATEMENTS = ("expression_statement", "return_statement")


def _identifiers(inside: Node | None, name: str) -> list[Node]:
    return [part for part in syntax.descend(inside) if part.type == "identifier" and syntax.text_of(part) == name]


def _mentions(inside: Node | None, name: str) -> bool:
    # The text first: to walk through all conditions of a function takes longer.
    return inside is not None and name.encode() in syntax.text(inside) and bool(_identifiers(inside, name))


@dataclass(frozen=True)
class Function:
    """One function definition."""

    source: CSource
    name: str
    node: Node

    @property
    def body(self) -> bytes:
        """The text of the whole definition."""
        return syntax.text(self.node)

    @property
    def signature(self) -> Declarator:
        """The lines of the name and the parameters. Raises AnchorError when the function is declared once more."""
        declared = self.source.declarations(self.name)
        if len(declared) != 1:
            rows = [node.start_point.row + 1 for node in declared]
            raise self.source.refusal(f"a declaration of {self.name}", self.name, rows)
        return Declarator.of(self.source, self.node)

    def parameter(self, type_: str) -> str:
        """Find the name of the one parameter of the type ``type_``, for instance ``struct reliable *``.

        Raises AnchorError unless there is exactly one.
        """
        names = self._parameters(type_)
        if len(names) != 1:
            raise AnchorError(
                f"{self.name} in {self.source.name} has {len(names)} parameters of the type {type_}, not one",
                why=f"line {self.node.start_point.row + 1}",
            )
        return names[0]

    def _parameters(self, type_: str) -> list[str]:
        names = []
        for node in syntax.descend(self.node.child_by_field_name("declarator")):
            if node.type == "parameter_declaration":
                name = next((part for part in syntax.descend(node) if part.type == "identifier"), None)
                if name is not None and syntax.squeezed(syntax.bare(node, name.start_byte)) == syntax.squeezed(
                    type_.encode()
                ):
                    names.append(syntax.text(name).decode())
        return names

    def takes(self, type_: str) -> bool:
        """Return whether the function has a parameter of the type ``type_``."""
        return bool(self._parameters(type_))

    @property
    def returned(self) -> str:
        """The variable that the function returns. Raises AnchorError unless there is one ``return``, of a variable."""
        what = f"the one variable that {self.name} returns"
        returns = self.source.inside(self.node, "return_statement")
        value = returns[0].named_children[0] if len(returns) == 1 and returns[0].named_children else None
        if value is None or value.type != "identifier":
            raise self.source.refusal(what, "return", [node.start_point.row + 1 for node in returns])
        return syntax.text(value).decode()

    def statement_logging(self, message: str) -> Statement:
        """Find the one statement that logs ``message``.

        Raises AnchorError unless there is exactly one, between braces and on lines of its own.
        """
        logged, strings = self.source.texts_inside(self.node)
        statements = [node for node, text in logged if message.encode() in text]
        what = f"the statement that logs {message!r}, in {self.name},"
        spelled = [node for node, text in strings if message.encode() in text]
        if len(statements) == 1 and len(spelled) > 1:
            raise self.source.refusal(
                f"the text {message!r}, in {self.name},", message, [node.start_point.row + 1 for node in spelled]
            )
        if len(statements) != 1:
            raise self.source.refusal(what, message, [node.start_point.row + 1 for node in statements])
        return Statement.at(self.source, in_braces(self.source, statements[0], what), what)

    def assigning(self, target: str, value: str | None = None) -> Statement:
        """Find the one statement that assigns ``value``, or anything if that is None, to ``target``.

        ``target`` is ``->member`` of a struct, or an expression such as ``*opcode``. Raises AnchorError unless there is
        exactly one, between braces and on lines of its own.
        """
        what = f"the assignment {f'of {value} ' if value else ''}to {target}, in {self.name},"
        statement = assignment(self.source, self.node, target, value, what)
        return Statement.at(self.source, in_braces(self.source, statement, what), what)

    def incrementing(self, target: str) -> Statement:
        """Find the one statement that adds one to ``target``, ``->member`` of a struct.

        Raises AnchorError as :meth:`assigning` does.
        """
        what = f"the increment of {target}, in {self.name},"
        statement = increment(self.source, self.node, target, what)
        return Statement.at(self.source, in_braces(self.source, statement, what), what)

    def calling(self, function: str, last: str | None = None, first: str | None = None) -> Statement:
        """Find the one statement that is a call of ``function``, or returns its result.

        ``last`` is the last argument, ``first`` the first one, for a function that is called more than once. Raises
        AnchorError unless there is exactly one, between braces and on lines of its own.
        """
        named = last or first
        what = f"the call of {function}{f' with {named}' if named else ''}, in {self.name},"
        statements = []
        whole = [node for kind in _WHOLE_STATEMENTS for node in self.source.inside(self.node, kind)]
        for node in sorted(whole, key=lambda node: (node.start_byte, -node.end_byte)):
            call = node.named_children[0] if node.named_children else None
            if call is None or syntax.text_of(call.child_by_field_name("function")) != function:
                continue
            given = [syntax.text(part) for part in syntax.arguments(call)]
            if (last is None or given[-1:] == [last.encode()]) and (first is None or given[:1] == [first.encode()]):
                statements.append(node)
        if len(statements) != 1:
            raise self.source.refusal(what, function, [node.start_point.row + 1 for node in statements])
        return Statement.at(self.source, in_braces(self.source, statements[0], what), what)

    def branch_by(self, function: str) -> Branch:
        """Find the one ``if`` whose whole condition is the result of ``function``, or its negation.

        Raises AnchorError unless there is exactly one.
        """
        what = f"the branch that {function} decides, in {self.name},"
        branches = []
        for node in self.source.inside(self.node, "if_statement"):
            condition = node.child_by_field_name("condition")
            tested = condition.named_children[0] if condition is not None and condition.named_children else None
            if tested is not None and tested.type == "unary_expression":
                tested = tested.child_by_field_name("argument")
            if tested is not None and tested.type == "call_expression":
                called = tested.child_by_field_name("function")
                if called is not None and syntax.text(called) == function.encode():
                    branches.append(node)
        if len(branches) != 1:
            raise self.source.refusal(what, function, [node.start_point.row + 1 for node in branches])
        return Branch.at(self.source, branches[0])

    def branch_mentioning(self, name: str) -> Branch:
        """Find the one ``if`` in whose condition ``name`` stands. Raises AnchorError unless there is exactly one."""
        what = f"the branch whose condition has {name}, in {self.name},"
        branches = [
            node
            for node in self.source.inside(self.node, "if_statement")
            if _mentions(node.child_by_field_name("condition"), name)
        ]
        if len(branches) != 1:
            raise self.source.refusal(what, name, [node.start_point.row + 1 for node in branches])
        return Branch.at(self.source, branches[0])

    def assigns(self, target: str, value: str) -> bool:
        """Return whether a statement assigns ``value`` to ``target``, both as for :meth:`assigning`."""
        return assigns(self.source, self.node, target, value)

    def has_call(self, function: str) -> bool:
        """Return whether the function calls ``function``, wherever and however often."""
        calls = self.source.inside(self.node, "call_expression")
        return any(syntax.text_of(call.child_by_field_name("function")) == function for call in calls)

    def mentions(self, member: str) -> bool:
        """Return whether the function uses a struct's member of the name ``member``, which only some series have."""
        fields = self.source.inside(self.node, "field_identifier")
        return any(syntax.text(part) == member.encode() for part in fields)

    def comparing(self, member: str) -> MemberComparison:
        """Find the one comparison by ``>=`` with ``member`` of a struct.

        Raises AnchorError unless there is exactly one.
        """
        return MemberComparison.of(self.source, self.node, member, f"the comparison with {member}, in {self.name},")

    @property
    def last_statement(self) -> Statement:
        """The last statement of the body. Raises AnchorError when there is none, or it shares its lines."""
        what = f"the last statement of {self.name}"
        body = self.node.child_by_field_name("body")
        statements = [part for part in body.named_children if part.type != "comment"] if body is not None else []
        if not statements:
            raise self.source.refusal(what, self.name, [])
        return Statement.at(self.source, statements[-1], what)

    @property
    def end(self) -> FunctionEnd:
        """The line of the closing brace. Raises AnchorError when other code is on that line."""
        body = self.node.child_by_field_name("body") or self.node
        what = f"the end of {self.name}"
        return FunctionEnd(self.source, body.children[-1], own_lines(self.source, body.children[-1], what), self.node)


@dataclass(frozen=True)
class FunctionEnd(Lines):
    """The line of the brace that ends a function, behind which new functions may stand."""

    function: Node

    @property
    def style(self) -> Style:
        """The layout of whole functions."""
        return Style.of_functions(self.function, self.source.lines)


@dataclass(frozen=True)
class Statement(Lines):
    """One statement."""

    @classmethod
    def at(cls, source: CSource, node: Node, what: str) -> Statement:
        """Make the statement of ``node``. Raises AnchorError when it shares its lines; ``what`` names it there."""
        return cls(source, node, own_lines(source, node, what))

    @property
    def subject(self) -> str:
        """The variable to whose member the statement assigns."""
        return assigned_to(self.node)

    @property
    def read_from(self) -> str:
        """The variable whose member the statement assigns to something."""
        return assigned_from(self.node)

    @property
    def _call(self) -> Node:
        call = self.node.named_children[0] if self.node.named_children else self.node
        if call.type != "call_expression":
            row = self.node.start_point.row + 1
            raise AnchorError(
                f"a statement in {self.source.name} is not a call", why=f"line {row}: {self.source.text(row)}"
            )
        return call

    def argument(self, index: int) -> str:
        """Read argument ``index``, from 0, of the call that the statement is. Raises AnchorError when it is none."""
        return syntax.bare(syntax.arguments(self._call)[index]).decode("utf-8", "surrogateescape")

    def giving(self, index: int, argument: str) -> tuple[bytes, ...]:
        """Rewrite the lines with ``argument`` in the place of argument ``index``, from 0, of the call.

        Raises AnchorError when the statement is not a call.
        """
        return self._replacing(syntax.arguments(self._call)[index], argument)

    @property
    def branch(self) -> Branch:
        """The head of the ``if`` between whose braces the statement stands. Raises AnchorError when there is none."""
        return Branch.round(self.source, self.node)

    def saying_also(self, suffix: str) -> tuple[bytes, ...]:
        """Rewrite the lines with ``suffix`` at the end of the logged text."""
        return self._with(syntax.literals(self.node)[-1].end_byte - 1, suffix)


@dataclass(frozen=True)
class Declarator(Lines):
    """The lines on which a function's name and parameters stand, whatever else stands there."""

    @classmethod
    def of(cls, source: CSource, declared: Node) -> Declarator:
        """Find the declarator of ``declared``, a function definition or declaration."""
        node = next(part for part in syntax.descend(declared) if part.type == "function_declarator")
        return cls(source, node, tuple(source.lines[node.start_point.row : node.end_point.row + 1]))

    def with_parameter(self, parameter: str) -> tuple[bytes, ...]:
        """Rewrite the lines with ``parameter`` as one more parameter, the last."""
        given = next(node for node in syntax.descend(self.node) if node.type == "parameter_list")
        return self._with(given.end_byte - 1, f", {parameter}")


@dataclass(frozen=True)
class Call(Lines):
    """A statement that calls a function and keeps the result in a variable: ``x = f (…);``, or a declaration."""

    call: Node
    result: str
    """The variable."""

    @classmethod
    def at(cls, source: CSource, call: Node, what: str) -> Call:
        """Make the call of the node ``call``.

        Raises AnchorError when its result is not kept in a variable, or the statement is not between braces and on
        lines of its own.
        """
        here = f"{what} in {source.name}, line {call.start_point.row + 1},"
        holder = call.parent
        if holder is not None and holder.type == "assignment_expression":
            name = holder.child_by_field_name("left")
        else:
            name = holder.child_by_field_name("declarator") if holder is not None else None
            while name is not None and name.type == "pointer_declarator":
                name = name.child_by_field_name("declarator")
        statement = holder.parent if holder is not None else None
        if name is None or name.type != "identifier" or statement is None:
            raise AnchorError(
                f"{here} does not keep its result in a variable", why=source.text(call.start_point.row + 1)
            )
        in_braces(source, statement, here)
        return cls(source, statement, own_lines(source, statement, here), call, syntax.text(name).decode())

    def argument(self, index: int) -> str:
        """Read argument ``index``, from 0, as it is spelled."""
        return syntax.bare(syntax.arguments(self.call)[index]).decode("utf-8", "surrogateescape")

    def giving(self, index: int, argument: str) -> tuple[bytes, ...]:
        """Rewrite the lines with ``argument`` in the place of argument ``index``, from 0."""
        return self._replacing(syntax.arguments(self.call)[index], argument)

    def with_argument(self, argument: str) -> tuple[bytes, ...]:
        """Rewrite the lines with ``argument`` as one more argument of the call, the last."""
        given = self.call.child_by_field_name("arguments") or self.call
        return self._with(given.end_byte - 1, f", {argument}" if given.named_children else argument)

    @property
    def around(self) -> Branch:
        """The head of the ``if`` between whose braces the call stands. Raises AnchorError when there is none."""
        return Branch.round(self.source, self.node)

    @property
    def branch(self) -> Branch | None:
        """The ``if (RESULT)`` that comes next, comments aside; None when something else does."""
        after = self.node.next_named_sibling
        while after is not None and after.type == "comment":
            after = after.next_named_sibling
        condition = after.child_by_field_name("condition") if after is not None else None
        if after is None or condition is None or after.type != "if_statement":
            return None
        if syntax.squeezed(syntax.bare(condition)) != f"({self.result})".encode():
            return None
        if not re.fullmatch(COMMENTS, self.source.lines[after.start_point.row][: after.start_point.column]):
            return None
        return Branch.at(self.source, after)


@dataclass(frozen=True)
class Branch(Lines):
    """The head of an ``if``: the lines from the word to the end of its condition."""

    @classmethod
    def at(cls, source: CSource, node: Node) -> Branch:
        """Make the head of the ``if`` statement ``node``."""
        condition = node.child_by_field_name("condition") or node
        return cls(source, node, tuple(source.lines[node.start_point.row : condition.end_point.row + 1]))

    @classmethod
    def round(cls, source: CSource, statement: Node) -> Branch:
        """Make the head of the ``if`` between whose braces ``statement`` stands. Raises AnchorError without one."""
        block = statement.parent
        above = block.parent if block is not None else None
        row = statement.start_point.row + 1
        if above is None or above.type != "if_statement" or above.child_by_field_name("consequence") != block:
            raise AnchorError(
                f"a statement in {source.name} does not stand between the braces of an if",
                why=f"line {row}: {source.text(row)}",
            )
        return cls.at(source, above)

    def argument(self, index: int) -> str:
        """Read argument ``index``, from 0, of the call that the condition is, as it is spelled.

        Raises AnchorError when the condition is not a call, or has no such argument.
        """
        condition = self.node.child_by_field_name("condition")
        call = condition.named_children[0] if condition is not None and condition.named_children else None
        arguments = syntax.arguments(call) if call is not None else []
        if index >= len(arguments):
            raise AnchorError(
                f"a branch in {self.source.name} is not decided by a call with {index + 1} arguments",
                why=f"line {self.line}: {self.source.text(self.line)}",
            )
        return syntax.bare(arguments[index]).decode("utf-8", "surrogateescape")

    def only_if(self, condition: str) -> tuple[bytes, ...]:
        """Rewrite the lines so that the branch needs ``condition`` too."""
        given = self.node.child_by_field_name("condition") or self.node
        return self._with(given.start_byte + 1, f"{self.style.spaced(condition)} && ")

    def instead_of(self, name: str, condition: str) -> tuple[bytes, ...]:
        """Rewrite the lines with ``condition`` in the place of ``name``, which is a part of the condition.

        Raises AnchorError unless ``name`` stands there once.
        """
        there = _identifiers(self.node.child_by_field_name("condition"), name)
        if len(there) != 1:
            rows = [node.start_point.row + 1 for node in there]
            raise self.source.refusal(f"{name}, in the condition in line {self.line},", name, rows)
        return self._replacing(there[0], condition)

    def has_call(self, functions: Sequence[str]) -> bool:
        """Return whether the branch, taken, calls one of ``functions``."""
        taken = self.node.child_by_field_name("consequence")
        calls = (node for node in syntax.descend(taken) if node.type == "call_expression")
        return any(syntax.text(call.children[0]).decode("latin-1") in functions for call in calls)

    @property
    def end(self) -> BranchEnd:
        """The line of the closing brace, behind which an ``else`` may stand.

        Raises AnchorError when the branch has no braces, has an ``else``, or shares that line with other code.
        """
        taken = self.node.child_by_field_name("consequence") or self.node
        what = f"the end of the branch in {self.source.name}, line {self.line},"
        if taken.type != "compound_statement" or self.node.has_error:
            raise AnchorError(f"{what} is not a brace", why=self.source.text(self.line))
        if self.node.child_by_field_name("alternative") is not None:
            raise AnchorError(f"{what} has an else behind it", why=self.source.text(self.line))
        brace = taken.children[-1]
        return BranchEnd(self.source, brace, own_lines(self.source, brace, what), self.node)

    @property
    def otherwise(self) -> tuple[bytes, ...]:
        """The lines as the ``else`` of another ``if``, for code that is put before them."""
        return self._with(self.node.start_byte, "else ")


@dataclass(frozen=True)
class BranchEnd(Lines):
    """The line of the brace that ends an ``if`` without an ``else``."""

    branch: Node

    @property
    def style(self) -> Style:
        """The layout of the code round the branch."""
        return Style.around(self.branch, self.source.lines)

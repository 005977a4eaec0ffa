"""Places in a C file that a template works on: statements, calls, heads of functions and branches, as whole lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patchkit.errors import AnchorError
from patchkit.patching import syntax
from patchkit.patching.csource import CSource, split_lines
from patchkit.patching.style import Style

if TYPE_CHECKING:
    from tree_sitter import Node

_COMMENTS = rb"(?:\s*/\*(?:[^*]|\*(?!/))*\*/)*\s*"


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
    def signature(self) -> Signature:
        """The lines of its name and parameters. Raises AnchorError where the file declares it once more."""
        declared = self.source.declarations(self.name)
        if len(declared) != 1:
            rows = [node.start_point.row + 1 for node in declared]
            raise self.source.refusal(f"a declaration of {self.name}", self.name, rows)
        return Signature.of(self.source, self.node)

    def parameter(self, type_: str) -> str:
        """The name of the one parameter of the type ``type_``, e.g. ``struct reliable *``."""
        found = []
        for node in syntax.descend(self.node.child_by_field_name("declarator")):
            if node.type == "parameter_declaration":
                name = next((part for part in syntax.descend(node) if part.type == "identifier"), None)
                if name is not None and syntax.squeezed(syntax.bare(node, name.start_byte)) == syntax.squeezed(
                    type_.encode()
                ):
                    found.append(syntax.text(name).decode())
        if len(found) != 1:
            raise AnchorError(
                f"{self.name} in {self.source.name} has {len(found)} parameters of the type {type_}, not one",
                why=f"line {self.node.start_point.row + 1}",
            )
        return found[0]

    @property
    def returned(self) -> str:
        """The variable that the function returns, in its one ``return``."""
        what = f"the one variable that {self.name} returns"
        found = [node for node in syntax.descend(self.node) if node.type == "return_statement"]
        value = found[0].named_children[0] if len(found) == 1 and found[0].named_children else None
        if value is None or value.type != "identifier":
            raise self.source.refusal(what, "return", [node.start_point.row + 1 for node in found])
        return syntax.text(value).decode()

    def statement_logging(self, message: str) -> Statement:
        """The one statement that logs ``message``; it must stand between braces and on lines of its own."""
        found = [
            node
            for node in syntax.descend(self.node.child_by_field_name("body"))
            if node.type == "expression_statement" and message.encode() in syntax.logged(node)
        ]
        what = f"the statement that logs {message!r}, in {self.name},"
        spelled = [node for node in syntax.strings(self.node) if message.encode() in syntax.joined(node)]
        if len(found) == 1 and len(spelled) > 1:
            raise self.source.refusal(
                f"the text {message!r}, in {self.name},", message, [node.start_point.row + 1 for node in spelled]
            )
        if len(found) != 1:
            raise self.source.refusal(what, message, [node.start_point.row + 1 for node in found])
        return Statement.at(self.source, _in_braces(self.source, found[0], what), what)


@dataclass(frozen=True)
class Lines:
    """Whole lines that hold one node and nothing else but, perhaps, a comment behind it."""

    source: CSource
    node: Node
    lines: tuple[bytes, ...]
    """With their line ends."""

    @property
    def line(self) -> int:
        """The first line's number, from 1."""
        return int(self.node.start_point.row) + 1

    def code(self, neutral: str) -> tuple[bytes, ...]:
        """Lines of new code, laid out like these: see :class:`patchkit.patching.style.Style`."""
        return Style.around(self.node, self.source.lines).code(neutral)

    def _with(self, at: int, text: str) -> tuple[bytes, ...]:
        """The same lines with ``text`` put in at byte ``at`` of the file."""
        start = int(self.node.start_byte) - int(self.node.start_point.column)
        whole = b"".join(self.lines)
        return tuple(split_lines(whole[: at - start] + text.encode() + whole[at - start :]))


@dataclass(frozen=True)
class Statement(Lines):
    """One statement."""

    @classmethod
    def at(cls, source: CSource, node: Node, what: str) -> Statement:
        return cls(source, node, _own_lines(source, node, what))

    def saying_also(self, suffix: str) -> tuple[bytes, ...]:
        """The same lines with ``suffix`` at the end of the logged text."""
        return self._with(syntax.literals(self.node)[-1].end_byte - 1, suffix)


@dataclass(frozen=True)
class Signature(Lines):
    """The lines on which a function's name and parameters stand, whatever else stands there."""

    @classmethod
    def of(cls, source: CSource, declared: Node) -> Signature:
        """Of a function definition or declaration."""
        node = next(part for part in syntax.descend(declared) if part.type == "function_declarator")
        return cls(source, node, tuple(source.lines[node.start_point.row : node.end_point.row + 1]))

    def with_parameter(self, parameter: str) -> tuple[bytes, ...]:
        """The same lines with one more parameter at the end."""
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
        _in_braces(source, statement, here)
        return cls(source, statement, _own_lines(source, statement, here), call, syntax.text(name).decode())

    def argument(self, index: int) -> str:
        """One argument as it is spelled."""
        given = self.call.child_by_field_name("arguments")
        arguments = [node for node in given.named_children if node.type != "comment"] if given else []
        return syntax.bare(arguments[index]).decode("utf-8", "surrogateescape")

    def with_argument(self, argument: str) -> tuple[bytes, ...]:
        """The same lines with one more argument at the end of the call's."""
        given = self.call.child_by_field_name("arguments") or self.call
        return self._with(given.end_byte - 1, f", {argument}" if given.named_children else argument)

    @property
    def branch(self) -> Branch | None:
        """The ``if (RESULT)`` that comes next, comments aside; None where something else does."""
        after = self.node.next_named_sibling
        while after is not None and after.type == "comment":
            after = after.next_named_sibling
        condition = after.child_by_field_name("condition") if after is not None else None
        if after is None or condition is None or after.type != "if_statement":
            return None
        if syntax.squeezed(syntax.bare(condition)) != f"({self.result})".encode():
            return None
        first, last = after.start_point.row, condition.end_point.row
        if not re.fullmatch(_COMMENTS, self.source.lines[first][: after.start_point.column]):
            return None
        return Branch(self.source, after, tuple(self.source.lines[first : last + 1]))


@dataclass(frozen=True)
class Branch(Lines):
    """The head of an ``if``: the lines from the word to the end of its condition."""

    def has_call(self, functions: Sequence[str]) -> bool:
        """Whether the branch, taken, calls one of these functions."""
        taken = self.node.child_by_field_name("consequence")
        calls = (node for node in syntax.descend(taken) if node.type == "call_expression")
        return any(syntax.text(call.children[0]).decode("latin-1") in functions for call in calls)

    @property
    def otherwise(self) -> tuple[bytes, ...]:
        """The same lines as the ``else`` of another ``if`` put before them."""
        return self._with(self.node.start_byte, "else ")


def _own_lines(source: CSource, node: Node, what: str) -> tuple[bytes, ...]:
    first, last = node.start_point.row, node.end_point.row
    before = source.lines[first][: node.start_point.column]
    behind = source.lines[last][node.end_point.column :].strip()
    # A line comment that ends in a backslash would swallow what comes next.
    if not re.fullmatch(_COMMENTS, before) or not re.fullmatch(_COMMENTS + rb"(//.*(?<!\\))?", behind):
        raise AnchorError(f"{what} shares its line with other code", why=f"line {first + 1}: {source.text(first + 1)}")
    return tuple(source.lines[first : last + 1])


def _in_braces(source: CSource, node: Node, what: str) -> Node:
    if node.parent is None or node.parent.type != "compound_statement":
        raise AnchorError(
            f"{what} stands in a branch without braces",
            why=f"line {node.start_point.row + 1}: {source.text(node.start_point.row + 1)}",
            advice="put braces round the branch, or render against an unaltered source",
        )
    return node

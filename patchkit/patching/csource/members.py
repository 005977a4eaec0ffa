"""Places that have to do with structs: their last members, and what functions compare and assign."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patchkit.patching.csource import syntax
from patchkit.patching.csource.file import CSource
from patchkit.patching.csource.whole_lines import Lines, own_lines

if TYPE_CHECKING:
    from tree_sitter import Node


@dataclass(frozen=True)
class Struct:
    """One struct's definition."""

    source: CSource
    name: str
    node: Node

    @property
    def last_member(self) -> Lines:
        """The lines of the last member. Raises AnchorError when it shares them with other code, or there is none."""
        members = self.source.inside(self.node, "field_declaration")
        what = f"the last member of struct {self.name}"
        own = [member for member in members if member.parent == self.node.child_by_field_name("body")]
        if not own:
            raise self.source.refusal(what, self.name, [])
        return Lines(self.source, own[-1], own_lines(self.source, own[-1], what))


@dataclass(frozen=True)
class MemberComparison(Lines):
    """The lines of a comparison with a struct's member, whatever else stands there."""

    subject: str
    """The variable whose member is compared with."""

    @classmethod
    def of(cls, source: CSource, inside: Node, member: str, what: str) -> MemberComparison:
        """Find the one comparison by ``>=`` with ``VARIABLE->member`` in the node ``inside``.

        Raises AnchorError unless there is exactly one.
        """
        comparisons = []
        for node in source.inside(inside, "binary_expression"):
            operator = node.child_by_field_name("operator")
            right = node.child_by_field_name("right")
            if operator is None or right is None or operator.type != ">=" or right.type != "field_expression":
                continue
            if _member(right) == member:
                comparisons.append((node, right))
        if len(comparisons) != 1:
            raise source.refusal(what, member, [node.start_point.row + 1 for node, _ in comparisons])
        node, right = comparisons[0]
        rows = source.lines[node.start_point.row : node.end_point.row + 1]
        return cls(source, node, tuple(rows), _subject(right))

    def either(self, other: str) -> tuple[bytes, ...]:
        """Rewrite the lines so that ``other`` is an alternative to the comparison."""
        above = self.node.parent
        operator = above.child_by_field_name("operator") if above is not None else None
        alone = above is not None and (
            above.type == "parenthesized_expression" or getattr(operator, "type", "") == "||"
        )
        lines = self._with(self.node.end_byte, f" || {self.style.spaced(other)}" + ("" if alone else ")"))
        start = int(self.node.start_point.column)
        return lines if alone else (lines[0][:start] + b"(" + lines[0][start:], *lines[1:])


def assigns(source: CSource, inside: Node, target: str, value: str) -> bool:
    """Return whether a statement in the node ``inside`` assigns ``value`` to ``target``, as :func:`assignment` does."""
    return any(
        syntax.squeezed(syntax.bare(right)) == value.encode() and target in _spellings(left)
        for _, left, right in _assignments(source, inside)
    )


def assignment(source: CSource, inside: Node, target: str, value: str | None, what: str) -> Node:
    """Find the one statement in the node ``inside`` that assigns ``value``, or anything if that is None, to ``target``.

    ``target`` is ``->member`` of any variable, or an expression such as ``*opcode``. Raises AnchorError unless there is
    exactly one.
    """
    statements = [
        statement
        for statement, left, right in _assignments(source, inside)
        if (value is None or syntax.squeezed(syntax.bare(right)) == value.encode()) and target in _spellings(left)
    ]
    if len(statements) != 1:
        raise source.refusal(what, target, [node.start_point.row + 1 for node in statements])
    return statements[0]


def _assignments(source: CSource, inside: Node) -> Iterator[tuple[Node, Node, Node]]:
    """Every statement ``LEFT = RIGHT;`` in the node ``inside``, with both sides."""
    for node in source.inside(inside, "assignment_expression"):
        if node.parent is None or node.parent.type != "expression_statement":
            continue
        left, operator, right = (node.child_by_field_name(field) for field in ("left", "operator", "right"))
        if left is not None and right is not None and operator is not None and operator.type == "=":
            yield node.parent, left, right


def _spellings(left: Node) -> set[str]:
    """What a template may call the left side of an assignment: its own text, or ``->member``."""
    names = {syntax.squeezed(syntax.bare(left)).decode("latin-1")}
    return names | {f"->{_member(left)}"} if left.type == "field_expression" else names


def increment(source: CSource, inside: Node, target: str, what: str) -> Node:
    """Find the one statement ``VARIABLE->member++`` in the node ``inside``, by ``target``, its ``->member``.

    Raises AnchorError unless there is exactly one.
    """
    statements = []
    for node in source.inside(inside, "update_expression"):
        argument = node.child_by_field_name("argument")
        if argument is None or argument.type != "field_expression" or f"->{_member(argument)}" != target:
            continue
        if syntax.text(node).endswith(b"++") and node.parent is not None and node.parent.type == "expression_statement":
            statements.append(node.parent)
    if len(statements) != 1:
        raise source.refusal(what, target, [node.start_point.row + 1 for node in statements])
    return statements[0]


def assigned_to(statement: Node) -> str:
    """Read the variable whose member ``statement`` assigns to."""
    return _subject(statement.named_children[0].child_by_field_name("left"))


def assigned_from(statement: Node) -> str:
    """Read the variable whose member ``statement`` assigns to something."""
    return _subject(statement.named_children[0].child_by_field_name("right"))


def _member(expression: Node) -> str:
    field = expression.child_by_field_name("field")
    return syntax.text(field).decode("latin-1") if field is not None else ""


def _subject(expression: Node | None) -> str:
    argument = expression.child_by_field_name("argument") if expression is not None else None
    return syntax.bare(argument).decode("latin-1") if argument is not None else ""

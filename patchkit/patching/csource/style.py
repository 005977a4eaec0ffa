"""How a C file is laid out, so that code written into it looks like its neighbours.

Templates write code in one neutral form: four spaces a level, braces on lines of their own, no space
between a function's name and its arguments. :class:`Style` turns that into GNU style, Allman style, or
whatever the file has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from patchkit.patching.csource.syntax import ancestors, descend

if TYPE_CHECKING:
    from tree_sitter import Node

TAB = 8
"""Columns of a tab in GNU style and in compilers' messages."""
_NEUTRAL_STEP = 4
_CONTROL = ("if_statement", "else_clause", "for_statement", "while_statement", "do_statement")
_CALL = re.compile(r"\b(?!(?:if|for|while|switch|return|sizeof)\b)([A-Za-z_]\w*)\(")


@dataclass(frozen=True)
class Style:
    """The layout around one statement. Columns count a tab as eight."""

    indent: bytes
    """What stands before the statement on its line."""
    step: int
    """Columns from a control statement to the statements that it controls: 4 in both of upstream's styles."""
    brace: int
    """Columns from a control statement to its brace: 2 in GNU style, 0 in Allman's."""
    tabs: bool
    """Whether eight columns are a tab."""
    gap: bool
    """Whether a space stands between a function's name and its arguments."""
    newline: bytes
    body: int | None = None
    """Columns from a function's brace to its statements, where code is whole functions: 2 in GNU style."""

    @classmethod
    def around(cls, node: Node, lines: list[bytes]) -> Style:
        """Read the style around ``node``, one statement of a file with these ``lines``."""
        row = node.start_point.row
        indent = _indent_of(node, lines)
        step, brace = _steps(node, lines)
        inside = next((above for above in ancestors(node) if above.type == "function_definition"), node)
        calls = (part for part in descend(node) if part.type == "call_expression")
        call = next(calls, None)
        end = re.search(rb"\r?\n\Z", lines[row])
        return cls(
            indent=indent,
            step=step,
            brace=brace,
            tabs=any(line.startswith(b"\t") for line in lines[inside.start_point.row : inside.end_point.row]),
            gap=_gap(call if call is not None else next(_declarators(inside), None)),
            newline=end[0] if end else b"\n",
        )

    @classmethod
    def of_functions(cls, function: Node, lines: list[bytes]) -> Style:
        """Read the style for whole functions that stand beside ``function``."""
        body = function.child_by_field_name("body")
        statements = [part for part in body.named_children if part.type != "comment"] if body is not None else []
        around = cls.around(statements[-1] if statements else function, lines)
        columns = _column(_indent_of(statements[-1], lines)) if statements else around.step
        return replace(around, indent=b"", gap=_gap(next(_declarators(function), None)), body=columns)

    def spaced(self, code: str) -> str:
        """Rewrite ``code`` within a line, with a space before arguments if the file has one there."""
        return _CALL.sub(r"\1 (", code) if self.gap else code

    def code(self, neutral: str) -> tuple[bytes, ...]:
        """Rewrite ``neutral`` code in this style: lines with line ends, beginning at the statement's own column."""
        return tuple(self._line(line) for line in neutral.rstrip("\n").split("\n"))

    def _line(self, line: str) -> bytes:
        code = line.lstrip(" ")
        level, odd = divmod(len(line) - len(code), _NEUTRAL_STEP)
        outermost = self.body is not None and level == 0
        base = 0 if self.body is None or outermost else self.body - self.step
        extra = base + level * self.step + (self.brace if code[:1] in ("{", "}") and not outermost else 0)
        if not code:
            return self.newline
        if code[0] == "#":
            return code.encode("utf-8", "surrogateescape") + self.newline  # directives stand at the margin
        return self._indent(extra + odd) + self.spaced(code).encode("utf-8", "surrogateescape") + self.newline

    def _indent(self, extra: int) -> bytes:
        if extra == 0 or not self.tabs:
            return self.indent + b" " * extra
        tabs, spaces = divmod(_column(self.indent) + extra, TAB)
        return b"\t" * tabs + b" " * spaces


def _steps(node: Node, lines: list[bytes]) -> tuple[int, int]:
    """The step and the brace's offset, taken from the nearest control statement whose body has lines of its own."""
    inside = node
    for above in ancestors(node):
        if above.type == "compound_statement" and above.parent is not None and above.parent.type in _CONTROL:
            control = above.parent
            # Of the whole line: in "} else {" the word is not where the line begins.
            at = _column(_indent_of(control, lines))
            step = _column(_indent_of(inside, lines)) - at
            own_line = not _before(above, lines).strip()
            if step > 0:
                return step, max(0, _column(_before(above, lines)) - at) if own_line else 0
        inside = above
    return _steps_inside(next((above for above in ancestors(node) if above.type == "function_definition"), node), lines)


def _steps_inside(function: Node, lines: list[bytes]) -> tuple[int, int]:
    """The step and the offset, for a statement that no other one controls: as the function has it elsewhere."""
    for control in descend(function):
        block = next((part for part in control.children if part.type == "compound_statement"), None)
        if control.type not in _CONTROL or block is None or not block.named_children:
            continue
        at = _column(_indent_of(control, lines))
        step = _column(_indent_of(block.named_children[0], lines)) - at
        if step > 0 and not _before(block, lines).strip():
            return step, max(0, _column(_before(block, lines)) - at)
    return _NEUTRAL_STEP, 0


def _declarators(function: Node) -> Iterator[Node]:
    return (part for part in descend(function) if part.type == "function_declarator")


def _gap(call: Node | None) -> bool:
    """Whether a space stands before the arguments of a call, or before the parameters of a function."""
    if call is None or len(call.named_children) < 2:
        return False
    return bool(call.named_children[1].start_byte > call.named_children[0].end_byte)


def _before(node: Node, lines: list[bytes]) -> bytes:
    return lines[node.start_point.row][: node.start_point.column]


def _indent_of(node: Node, lines: list[bytes]) -> bytes:
    """The white space at the beginning of a node's line."""
    line = lines[node.start_point.row]
    return line[: len(line) - len(line.lstrip(b" \t"))]


def _column(indent: bytes) -> int:
    """Columns that white space spans; what is not white space counts one each."""
    column = 0
    for byte in indent:
        column = column + TAB - column % TAB if byte == ord("\t") else column + 1
    return column

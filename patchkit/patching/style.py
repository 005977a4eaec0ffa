"""How a C file is laid out, so that code written into it looks like its neighbours.

Templates write code in one neutral form: four spaces a level, braces on lines of their own, no space
between a function's name and its arguments. :class:`Style` turns that into GNU style, Allman style, or
whatever the file at hand has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patchkit.patching.syntax import ancestors, descend

if TYPE_CHECKING:
    from tree_sitter import Node

TAB = 8
"""Columns; what GNU style and C compilers' messages reckon with."""
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

    @classmethod
    def around(cls, node: Node, lines: list[bytes]) -> Style:
        """The style around one statement of a file with these lines."""
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
            gap=call is not None and call.named_children[1].start_byte > call.named_children[0].end_byte,
            newline=end[0] if end else b"\n",
        )

    def code(self, neutral: str) -> tuple[bytes, ...]:
        """Lines of neutral code in this style, beginning at the statement's own column, with line ends."""
        return tuple(self._line(line) for line in neutral.strip("\n").split("\n"))

    def _line(self, line: str) -> bytes:
        code = line.lstrip(" ")
        level = (len(line) - len(code)) // _NEUTRAL_STEP
        extra = level * self.step + (self.brace if code[:1] in ("{", "}") else 0)
        if self.gap:
            code = _CALL.sub(r"\1 (", code)
        return self._indent(extra) + code.encode("utf-8", "surrogateescape") + self.newline

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
    return _NEUTRAL_STEP, 0


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

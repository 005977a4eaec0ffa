"""Whole lines of a C file that hold one node: what all places are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patchkit.errors import AnchorError
from patchkit.patching.csource.file import CSource, split_lines
from patchkit.patching.csource.style import Style

if TYPE_CHECKING:
    from tree_sitter import Node

COMMENTS = rb"(?:\s*/\*(?:[^*]|\*(?!/))*\*/)*\s*"


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

    @property
    def behind(self) -> int:
        """The number of the line behind the last one, from 1: where code goes that another variant may precede."""
        return self.line + len(self.lines)

    @property
    def with_comment(self) -> int:
        """The number of the first line, from 1, of the comment right above these lines, or of these lines."""
        node = self.node
        above = node.prev_named_sibling
        while above is not None and above.type == "comment" and above.end_point.row + 1 == node.start_point.row:
            node, above = above, above.prev_named_sibling
        return int(node.start_point.row) + 1

    @property
    def style(self) -> Style:
        """The layout of the code here."""
        return Style.around(self.node, self.source.lines)

    def code(self, neutral: str) -> tuple[bytes, ...]:
        """Lay out ``neutral``, new code, like these lines: see :class:`patchkit.patching.csource.style.Style`."""
        return self.style.code(neutral)

    def _with(self, at: int, text: str) -> tuple[bytes, ...]:
        """The lines with ``text`` put in at byte ``at`` of the file."""
        start = int(self.node.start_byte) - int(self.node.start_point.column)
        whole = b"".join(self.lines)
        return tuple(split_lines(whole[: at - start] + text.encode() + whole[at - start :]))

    def _replacing(self, part: Node, text: str) -> tuple[bytes, ...]:
        """The lines with ``text``, in the file's layout, in the place of ``part`` of the node."""
        start = int(self.node.start_byte) - int(self.node.start_point.column)
        whole = b"".join(self.lines)
        new = self.style.spaced(text).encode()
        return tuple(split_lines(whole[: part.start_byte - start] + new + whole[part.end_byte - start :]))


def own_lines(source: CSource, node: Node, what: str) -> tuple[bytes, ...]:
    """Take the whole lines of ``node``, which is ``what`` in errors. Raises AnchorError when other code is on them."""
    first, last = node.start_point.row, node.end_point.row
    before = source.lines[first][: node.start_point.column]
    behind = source.lines[last][node.end_point.column :].strip()
    # A line comment that ends in a backslash would swallow what comes next.
    if not re.fullmatch(COMMENTS, before) or not re.fullmatch(COMMENTS + rb"(//.*(?<!\\))?", behind):
        raise AnchorError(f"{what} shares its line with other code", why=f"line {first + 1}: {source.text(first + 1)}")
    return tuple(source.lines[first : last + 1])


def in_braces(source: CSource, node: Node, what: str) -> Node:
    """Check that ``node`` is in a block, and return it. Raises AnchorError when it is in a branch without braces."""
    if node.parent is None or node.parent.type != "compound_statement":
        raise AnchorError(
            f"{what} stands in a branch without braces",
            why=f"line {node.start_point.row + 1}: {source.text(node.start_point.row + 1)}",
            advice="put braces round the branch, or render against an unaltered source",
        )
    return node

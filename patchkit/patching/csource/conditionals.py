"""What a compiler would see of a C file whose ``#if`` branches are not whole statements.

A parser that reads all branches at once meets two opening braces and one closing one, and loses its way from there on.
A view has the same bytes at the same places with all but one branch of such a group blanked, and what is dead in any
case (``#if 0``) with it. Groups whose branches are whole statements or declarations stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

MAX_VIEWS = 8
"""Branches of one group that are looked at; with more, the file is refused."""

_TOKEN = re.compile(
    rb"""
    (?P<comment> /\* .*? (?: \*/ | (?P<open>\Z) ) | // (?: \\\r?\n | [^\n] )* )
    | (?P<directive> (?<![^\n]) [ \t]* \# (?: "(?: \\. | [^"\\\n] )*" | \\\r?\n | /\*.*?\*/ | [^\n] )* )
    | (?P<string> " (?: \\. | [^"\\\n] )* "? | ' (?: \\. | [^'\\\n] )* '? )
    | (?P<word> \w+ )
    | (?P<sign> [^\s\w] )
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(rb"\s*#\s*(\w*)\s*(.*)", re.DOTALL)
_NAME = re.compile(rb"[A-Za-z_]\w*")
_ENDS = (b"", b";", b"{", b"}", b":")
"""A statement or a declaration begins behind one of these."""
_LABEL = b"label:"
"""What is counted for the colon of a label: a parser of all branches at once wants a statement behind it, no #if."""


@dataclass
class _Branch:
    """The text between two directives of a group, and what its tokens add up to."""

    start: int
    end: int = 0
    first: bytes = b""
    last: bytes = b""
    before_last: tuple[bytes, bytes] = (b"", b"")
    """The two tokens in front of the last one."""
    depth: int = 0
    low: int = 0
    """The lowest depth: below 0, the branch closes what it did not open."""
    is_dead: bool = False

    def take(self, token: bytes) -> None:
        """Count one token."""
        self.first = self.first or token
        third, second = self.before_last[1], self.last
        if token == b":" and third in _ENDS[1:] and second != b"default" and _NAME.fullmatch(second):
            token = _LABEL
        self.before_last, self.last = (third, second), token
        if token in (b"{", b"("):
            self.depth += 1
        elif token in (b"}", b")"):
            self.depth -= 1
            self.low = min(self.low, self.depth)

    def take_branch(self, other: _Branch) -> None:
        """Count all tokens of ``other``, the branch that is kept of a group in this one."""
        if other.last:
            self.first = self.first or other.first
            self.last = other.last
            self.low = min(self.low, self.depth + other.low)
            self.depth += other.depth

    @property
    def is_whole(self) -> bool:
        """Whether the branch is whole statements or declarations, or nothing."""
        return self.depth == 0 and self.low == 0 and self.first != b"else" and self.last in (b"", b";", b"}")


@dataclass
class _Group:
    """One ``#if`` with its branches, up to the ``#endif``."""

    before: bytes
    """The token before the group."""
    directives: list[tuple[int, int]]
    branches: list[_Branch]
    is_constant: bool
    """Whether the condition is 0 or 1."""
    has_else: bool = False

    @property
    def live(self) -> list[_Branch]:
        """The branches that a compiler may see."""
        return [branch for branch in self.branches if not branch.is_dead]

    @property
    def is_split(self) -> bool:
        """Whether the branches are not whole statements, so that only one can be read at a time."""
        return self.before not in _ENDS or not all(branch.is_whole for branch in self.live)


@dataclass
class Conditionals:
    """The conditional groups of one file."""

    data: bytes
    groups: list[_Group] = field(default_factory=list)
    broken: tuple[int, str] | None = None
    """The line, from 1, from which on the file can't be read, and the reason."""

    @property
    def split(self) -> list[_Group]:
        """The groups of which only one branch can be read at a time."""
        return [group for group in self.groups if not group.is_constant and group.is_split]

    @property
    def number(self) -> int:
        """The number of views that show every branch of every group."""
        return max((len(group.live) for group in self.split), default=1)

    @property
    def split_rows(self) -> list[int]:
        """The lines, from 1, on which the split groups begin."""
        return sorted(self.row(group.directives[0][0]) for group in self.split)

    def row(self, at: int) -> int:
        """Return the line, from 1, of byte ``at``."""
        return self.data.count(b"\n", 0, at) + 1

    def exclusive(self, rows: Sequence[int]) -> tuple[int, list[int]] | None:
        """Find the group of which the lines ``rows`` stand in branches that are never compiled together.

        Returns the line of its #if, and those of the #elif and #else behind it; all lines from 1. None where two of
        ``rows`` stand in one branch, or one in none.
        """
        for group in self.groups:  # the innermost ones first
            spans = [(self.row(branch.start), self.row(branch.end)) for branch in group.branches]
            at = [next((n for n, (start, end) in enumerate(spans) if start < row < end), None) for row in rows]
            if None not in at and len(set(at)) == len(rows) > 1:
                first, *others = (self.row(start) for start, _ in group.directives[:-1])
                return first, others
        return None

    def dead_rows(self) -> set[int]:
        """Return the lines, from 0, that no compiler ever sees."""
        rows: set[int] = set()
        for group in self.groups:
            for branch in group.branches:
                if branch.is_dead:
                    rows.update(range(self.row(branch.start) - 1, self.row(branch.end) - 1))
        return rows

    def view(self, number: int) -> bytes:
        """Return the file with branch ``number``, or the last, of each split group, and nothing that is dead."""
        masked = bytearray(self.data)
        for group in self.groups:
            if not group.is_constant and not group.is_split:
                continue
            live = group.live
            # A constant group with several live branches, as of #if 0 … #elif …, keeps its directives.
            keeps = live[min(number, len(live) - 1)] if live else None
            if group.is_constant and len(live) > 1:
                blanked = [(branch.start, branch.end) for branch in group.branches if branch.is_dead]
            else:
                blanked = group.directives + [
                    (branch.start, branch.end) for branch in group.branches if branch is not keeps
                ]
            for start, end in blanked:
                masked[start:end] = re.sub(rb"[^\r\n]", b" ", self.data[start:end])
        return bytes(masked)


@lru_cache(maxsize=64)
def read(data: bytes) -> Conditionals:
    """Read the conditional groups of the C file ``data``; ``broken`` where a brace, a comment or an #if has no end."""
    found = Conditionals(data)
    root = _Branch(0)
    open_groups: list[_Group] = []
    branches = [root]
    for token in _TOKEN.finditer(data):
        kind = token.lastgroup
        if token["open"] is not None:
            found.broken = found.row(token.start()), "the comment there has no end"
        if kind == "directive":
            _direct(token, found, open_groups, branches)
        elif kind in ("word", "sign", "string"):
            branches[-1].take(token[0] if kind != "string" else b'"')
    if open_groups and found.broken is None:
        found.broken = found.row(open_groups[-1].directives[0][0]), "the #if there has no #endif"
        found.groups += open_groups
    found.broken = found.broken or _unbalanced(found.view(0))
    return found


def _direct(token: re.Match[bytes], found: Conditionals, open_groups: list[_Group], branches: list[_Branch]) -> None:
    """Open, go on with or close a group."""
    match = _WORD.match(token[0])
    word, rest = (match[1], _bare(match[2])) if match else (b"", b"")
    if word in (b"if", b"ifdef", b"ifndef"):
        constant = word == b"if" and rest in (b"0", b"1")
        first = _Branch(token.end(), is_dead=constant and rest == b"0")
        open_groups.append(_Group(branches[-1].last, [token.span()], [first], constant))
        branches.append(first)
    elif word in (b"elif", b"else", b"endif", b"elifdef", b"elifndef"):
        if not open_groups:
            found.broken = found.broken or (found.row(token.start()), f"#{word.decode()} without #if")
            return
        group = open_groups[-1]
        branches.pop().end = token.start()
        group.directives.append(token.span())
        if word != b"endif":
            is_dead = group.is_constant and not group.branches[0].is_dead
            branch = _Branch(token.end(), is_dead=is_dead)
            group.branches.append(branch)
            branches.append(branch)
            group.has_else = group.has_else or word == b"else"
            return
        open_groups.pop()
        if not group.is_constant and not group.has_else:
            group.branches.append(_Branch(token.start(), token.start()))  # nothing, where no condition holds
        found.groups.append(group)
        if group.live:
            branches[-1].take_branch(group.live[0])


def _bare(text: bytes) -> bytes:
    return re.sub(rb"/\*.*?\*/|//.*|[()\s]", b"", text, flags=re.DOTALL)


def _unbalanced(view: bytes) -> tuple[int, str] | None:
    """The line of the outermost brace that has no partner, and the reason; None where all have one."""
    opened: list[int] = []
    for token in _TOKEN.finditer(view):
        if token[0] == b"{":
            opened.append(token.start())
        elif token[0] == b"}" and token.lastgroup == "sign":
            if not opened:
                return view.count(b"\n", 0, token.start()) + 1, "the brace there closes none"
            opened.pop()
    if opened:
        return view.count(b"\n", 0, opened[0]) + 1, "the brace there is never closed: is the file complete?"
    return None

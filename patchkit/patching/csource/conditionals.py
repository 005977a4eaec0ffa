"""What a compiler would see of a C file whose ``#if`` branches are not whole statements.

A parser that reads all branches at once meets two opening braces and one closing one, and loses its way from there on.
A view has the same bytes at the same places with all but one branch of such a group blanked, and what is dead in any
case (``#if 0``) with it. Groups whose branches are whole statements or declarations stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

MAX_VIEWS = 8
"""Branches of one group that are looked at; with more, the file is refused."""

# What counts: words and other signs, which are most of a file, are only looked at next to a directive. The pattern
# begins with one set of characters, which a search finds fast.
_TOKEN = re.compile(
    rb"""
    [{}()/"'\#] (?:
        (?<=[{}()])
        | (?<=/) (?P<comment>
            \* (?: [^*]* \*+ (?: [^/*] [^*]* \*+ )* / | (?P<open>) .* )
            | / (?: \\\r?\n | [^\n] )*
        )
        | (?<=") (?P<string> (?: \\. | [^"\\\n] )* "? )
        | (?<=') (?P<character> (?: \\. | [^'\\\n] )* '? )
        | (?<=\#) (?P<directive> )
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_DIRECTIVE = re.compile(
    rb"""[ \t]* \# (?: "(?: \\. | [^"\\\n] )*" | \\\r?\n | /\*.*?\*/ | [^\n] )*""", re.VERBOSE | re.DOTALL
)
_WORD_OR_SIGN = re.compile(rb"\w+|[^\s\w]")
_WORD = re.compile(rb"\s*#\s*(\w*)\s*(.*)", re.DOTALL)
_ENDS_IN_LABEL = re.compile(rb"(?:\A|;)\s*(?!default\b)[A-Za-z_]\w*\s*:\Z")
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
    depth: int = 0
    low: int = 0
    """The lowest depth: below 0, the branch closes what it did not open."""
    is_dead: bool = False

    def take(self, token: bytes) -> None:
        """Count one token."""
        self.first = self.first or token
        self.last = token
        if token in (b"{", b"("):
            self.depth += 1
        elif token in (b"}", b")"):
            self.depth -= 1
            self.low = min(self.low, self.depth)

    def skip(self, text: bytes) -> None:
        """Count what stands in front of a token: words and signs that only count where they are the first or last."""
        there = text.strip()
        if there:
            if not self.first:
                word = _WORD_OR_SIGN.match(there)
                self.first = word[0] if word is not None else there[:1]
            label = _ENDS_IN_LABEL.search(there)
            is_label = label is not None and (label.start() > 0 or self.last in _ENDS)
            # Of a word, its last letter: it is no end of a statement either way.
            self.last = _LABEL if is_label else there[-1:]

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
    unread: tuple[int, str] | None = None
    """The line, from 1, of a comment or an #if without an end, and the reason."""

    @cached_property
    def broken(self) -> tuple[int, str] | None:
        """The line, from 1, from which on the file can't be read, and the reason."""
        return self.unread or _unbalanced(self.view(0))

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
    conditionals = Conditionals(data)
    root = _Branch(0)
    open_groups: list[_Group] = []
    branches = [root]
    behind = 0
    for kind, start, end in _tokens(data):
        branch = branches[-1]
        # Behind a bracket or a string, only what is first in the branch is still of interest.
        if start > behind and (not branch.first or kind in ("comment", "open", "directive")):
            branch.skip(data[behind:start])
        behind = end
        if kind == "sign":
            branch.take(data[start:end])
        elif kind == "string":
            branch.take(b'"')
        elif kind == "directive":
            _direct((start, end), conditionals, open_groups, branches)
        elif kind == "open":
            conditionals.unread = conditionals.row(start), "the comment there has no end"
    branches[-1].skip(data[behind:])
    if open_groups and conditionals.unread is None:
        conditionals.unread = conditionals.row(open_groups[-1].directives[0][0]), "the #if there has no #endif"
        conditionals.groups += open_groups
    return conditionals


def _tokens(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield what counts with its start and end: a sign, string, directive, comment, or a comment that stays open."""
    at = 0
    while (token := _TOKEN.search(data, at)) is not None:
        kind, start, at = token.lastgroup or "sign", token.start(), token.end()
        if kind == "directive":
            line = data.rfind(b"\n", 0, start) + 1
            directive = _DIRECTIVE.match(data, line)
            if directive is None or data[line:start].strip(b" \t"):
                continue  # a sign in the middle of a line
            start, at = directive.span()
        if kind == "comment" and token["open"] is not None:
            kind = "open"
        yield "string" if kind == "character" else kind, start, at


def _direct(
    span: tuple[int, int], conditionals: Conditionals, open_groups: list[_Group], branches: list[_Branch]
) -> None:
    """Open, go on with or close a group."""
    match = _WORD.match(conditionals.data[span[0] : span[1]])
    word, rest = (match[1], _bare(match[2])) if match else (b"", b"")
    if word in (b"if", b"ifdef", b"ifndef"):
        constant = word == b"if" and rest in (b"0", b"1")
        first = _Branch(span[1], is_dead=constant and rest == b"0")
        open_groups.append(_Group(branches[-1].last, [span], [first], constant))
        branches.append(first)
    elif word in (b"elif", b"else", b"endif", b"elifdef", b"elifndef"):
        if not open_groups:
            conditionals.unread = conditionals.unread or (conditionals.row(span[0]), f"#{word.decode()} without #if")
            return
        group = open_groups[-1]
        branches.pop().end = span[0]
        group.directives.append(span)
        if word != b"endif":
            is_dead = group.is_constant and not group.branches[0].is_dead
            branch = _Branch(span[1], is_dead=is_dead)
            group.branches.append(branch)
            branches.append(branch)
            group.has_else = group.has_else or word == b"else"
            return
        open_groups.pop()
        if not group.is_constant and not group.has_else:
            group.branches.append(_Branch(span[0], span[0]))  # nothing, where no condition holds
        conditionals.groups.append(group)
        if group.live:
            branches[-1].take_branch(group.live[0])


def _bare(text: bytes) -> bytes:
    return re.sub(rb"/\*.*?\*/|//.*|[()\s]", b"", text, flags=re.DOTALL)


def _unbalanced(view: bytes) -> tuple[int, str] | None:
    """The line of the outermost brace that has no partner, and the reason; None where all have one."""
    opened: list[int] = []
    for kind, start, _ in _tokens(view):
        if kind != "sign":
            continue
        if view[start : start + 1] == b"{":
            opened.append(start)
        elif view[start : start + 1] == b"}":
            if not opened:
                return view.count(b"\n", 0, start) + 1, "the brace there closes none"
            opened.pop()
    if opened:
        return view.count(b"\n", 0, opened[0]) + 1, "the brace there is never closed: is the file complete?"
    return None

"""The lines that matter, found by the words that they must have: all others are passed over unread.

hyperscan looks for all words in one pass. Where there is no wheel of it, Python's ``re`` does, several times slower.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

LONGEST = 8192
"""Bytes of a line that are looked at. OpenVPN's own lines end at 1280 bytes, with a PUSH_REPLY of several kB."""
_RESIDUE = 1 << 20  # bytes without a line end that are kept: more is no line of a log

Finder = Callable[[bytes], list[tuple[int, int]]]
"""Lists the occurrences of words in a block: where each ends, and its index among the words."""


def blocks(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield ``pieces`` cut at the ends of lines, each block with the number of its first line.

    Of a line that is longer than a megabyte, the first megabyte is a block. Memory is bounded whatever ``pieces`` hold.
    """
    count, residue, skipping = 1, b"", False
    for piece in pieces:
        if skipping:
            end = piece.find(b"\n")
            if end < 0:
                continue
            piece, skipping = piece[end + 1 :], False  # noqa: PLW2901
            count += 1
        cut = piece.rfind(b"\n") + 1
        if not cut:
            residue += piece
            if len(residue) > _RESIDUE:
                yield count, residue
                residue, skipping = b"", True
            continue
        block = residue + piece[:cut] if residue else piece[:cut]
        residue = piece[cut:]
        yield count, block
        count += block.count(b"\n")
    if residue:
        yield count, residue


def numbered(pieces: Iterable[bytes], words: Sequence[bytes]) -> Iterator[tuple[int, bytes, int]]:
    """Yield each line of ``pieces`` that has one of ``words``: its number, itself without its end, the word's index.

    A line is cut after ``LONGEST`` bytes.
    """
    finder = find_with(tuple(words))
    for first, block in blocks(pieces):
        number, counted, covered = first, 0, -1
        for end, word in finder(block):
            if end <= covered:
                continue
            start, covered = bounds(block, end)
            number += block.count(b"\n", counted, start)
            counted = start
            yield number, line_at(block, start, covered), word


def bounds(block: bytes, end: int) -> tuple[int, int]:
    """Return where the line of ``block`` that has the byte before ``end`` begins and ends."""
    stop = block.find(b"\n", end)
    return block.rfind(b"\n", 0, end) + 1, stop if stop >= 0 else len(block)


def line_at(block: bytes, start: int, stop: int) -> bytes:
    """Return the line of ``block`` from ``start`` to ``stop``, cut after ``LONGEST`` bytes, without its end."""
    line = block[start : min(stop, start + LONGEST)]
    return line[:-1] if line.endswith(b"\r") else line


@cache
def find_with(words: tuple[bytes, ...]) -> Finder:
    """Return a function that finds ``words`` in a block, in the order of their ends.

    A block begins where a line does: a word that begins with a line's end is found there without it.
    """
    find = _hyperscan(words) or _python(words)
    first = [(word[1:], index) for index, word in enumerate(words) if word.startswith(b"\n")]

    def find_in_lines(block: bytes) -> list[tuple[int, int]]:
        ends = find(block)
        ends[:0] = [(len(word), index) for word, index in first if block.startswith(word)]
        return ends

    return find_in_lines


def _hyperscan(words: tuple[bytes, ...]) -> Finder | None:
    try:
        import hyperscan
    except ImportError:
        return None
    try:
        database = hyperscan.Database()
        database.compile(
            expressions=[re.escape(word) for word in words],
            ids=list(range(len(words))),
            elements=len(words),
            flags=[0] * len(words),
        )
    except hyperscan.error:  # a processor that lacks what it needs
        return None

    def find(block: bytes) -> list[tuple[int, int]]:
        ends: list[tuple[int, int]] = []
        append = ends.append

        def on_match(word: int, _start: int, end: int, _flags: int, _context: object) -> None:
            append((end, word))

        database.scan(block, match_event_handler=on_match)
        return ends

    return find


def _python(words: tuple[bytes, ...]) -> Finder:
    any_word = re.compile(b"|".join(map(re.escape, words)))
    index = {word: number for number, word in reversed(list(enumerate(words)))}
    return lambda block: [(match.end(), index[match[0]]) for match in any_word.finditer(block)]

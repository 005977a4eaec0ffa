"""A block of lines, which are cut out of it, and counted, when they are asked for: of most nobody asks."""

from __future__ import annotations

from patchkit.diagnosis.input.lines import line_at

_PAGE = 12  # as a power of two, bytes: lines are counted up to the page, and in it

WholeLine = tuple[str, int, bytes, int]
"""A line: its file, its number, its bytes, and the index of its word."""
Line = WholeLine | tuple[int, int]
"""A line, or where it begins in the block that is read, and the index of its word."""


class Block:
    """``data``, whose first line is line ``first`` of ``file``."""

    __slots__ = ("_counts", "_last", "data", "file", "first")

    def __init__(self, file: str, first: int, data: bytes) -> None:
        self.file = file
        self.first = first
        self.data = data
        self._counts: list[int] = []
        self._last = (0, first)
        """The line that was asked for last: where it begins, and its number."""

    def whole(self, line: Line) -> WholeLine:
        """Return ``line`` as itself, where it is not yet."""
        if len(line) == 4:
            return line
        start, word = line
        stop = self.data.find(b"\n", start)
        return self.file, self._number(start), line_at(self.data, start, stop if stop >= 0 else len(self.data)), word

    def _number(self, start: int) -> int:
        last, number = self._last
        if start >= last:
            number += self.data.count(b"\n", last, start)
            self._last = (start, number)
            return number
        if not self._counts:
            number = self.first
            for page in range(0, len(self.data), 1 << _PAGE):
                self._counts.append(number)
                number += self.data.count(b"\n", page, page + (1 << _PAGE))
        page = start >> _PAGE
        return self._counts[page] + self.data.count(b"\n", page << _PAGE, start)

"""A line of a log that counts."""

from __future__ import annotations

from typing import NamedTuple

from patchkit.diagnosis.finding import Evidence

_LONGEST_TEXT = 300  # characters of a message that are quoted


class Mark(NamedTuple):
    """A line that counts."""

    kind: str
    time: float | None
    file: str
    line: int
    stamp: str
    text: str

    def evidence(self) -> Evidence:
        """Return the line as evidence."""
        return Evidence(file=self.file, line=self.line, time=self.stamp, text=self.text[:_LONGEST_TEXT])

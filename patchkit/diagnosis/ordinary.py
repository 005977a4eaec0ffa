"""Handshakes of a server in which nothing is remarkable, told apart by the bytes of their lines.

Most of a busy server's log is of such: they begin and end within a second, and no other line of the peer's is between.
Their lines wait here unread; they are parsed only where something else happens to that peer, or it takes longer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from patchkit.diagnosis.events import ORDINARY
from patchkit.diagnosis.input.block import Line

MOST_WAITING = 4096  # peers in the middle of a handshake
MOST_LINES = 24
"""Of one handshake."""
_TAG_ENDS = 160  # bytes within which a logger's own prefix ends
_SYSLOG_TIME = 15  # bytes of "Nov  4 21:09:32"

NO_PART, INSIDE, MAY_END, ENDS, BEGINS, RENEGOTIATES = range(6)
_PART_OF = {"": NO_PART, "initial": BEGINS, "reneg": RENEGOTIATES, "tls-done": MAY_END, "push-reply": ENDS}
PARTS = tuple(_PART_OF.get(kind, INSIDE) for kind in ORDINARY)
"""By the index of a word: which part of an ordinary handshake its line is; MAY_END ends a renegotiation only."""
Place = tuple[int, bytes, bytes]
"""Where the message of a line begins, the logger's tag that tells its process, and its peer's address."""


class OrdinaryHandshakes:
    """The lines of handshakes that may be ordinary, by process and peer."""

    def __init__(self) -> None:
        self.waiting: OrderedDict[bytes, list[Line]] = OrderedDict()
        """By the tag and address of ``Place``."""

    def place(self, raw: bytes) -> Place | None:
        """Find where the message of ``raw`` begins and which peer it names; None where that is not plain to see."""
        program = b""
        if raw[10:11] == b" " and raw[4:5] == b"-":
            start = 20
        elif raw[24:25] == b" " and raw[19:20] == b" " and raw[3:4] == b" ":
            start = 25
        else:
            start = raw.find(b"]: ", _SYSLOG_TIME, _TAG_ENDS) + 3
            if start < 3 or raw[3:4] != b" " or raw[12:13] != b":":
                return None
            program = raw[_SYSLOG_TIME:start]
        begin = start
        if raw.startswith(b"us=", begin):
            begin = raw.find(b" ", begin) + 1
        end = raw.find(b" ", begin)
        peer = raw[begin:end].rpartition(b"/")[2]
        _, colon, port = peer.rpartition(b":")
        if not colon or not port.isdigit():
            return None
        return start, program, peer

    def add(self, key: bytes, line: Line) -> list[Line]:
        """Add ``line``. Returns lines that wait no longer: a handshake's that is over, or that another one follows, or
        some where too many wait.
        """
        waiting = self.waiting
        lines = waiting.get(key)
        if lines is None:
            waiting[key] = [line]
            return self.too_many()
        if PARTS[line[-1]] >= BEGINS:
            waiting[key] = [line]
            return lines
        lines.append(line)
        return waiting.pop(key) if len(lines) > MOST_LINES or ends(lines) else []

    def too_many(self) -> list[Line]:
        """Return the lines of the peer that has waited longest, where too many wait; they wait no longer."""
        return self.waiting.popitem(last=False)[1] if len(self.waiting) > MOST_WAITING else []

    def pop(self, place: Place) -> list[Line]:
        """Return the lines that wait for the peer at ``place``; they wait no longer."""
        return self.waiting.pop(place[1] + place[2], [])

    def pop_all(self) -> list[Line]:
        """Return all lines that wait; they wait no longer. ``waiting`` stays the same object."""
        lines = [line for waiting in self.waiting.values() for line in waiting]
        self.waiting.clear()
        return lines


def ends(lines: Sequence[Line]) -> bool:
    """Return whether the last one of ``lines`` ends the handshake that the first one begins."""
    part = PARTS[lines[-1][-1]]
    return len(lines) > 1 and (part == ENDS or (part == MAY_END and PARTS[lines[0][-1]] == RENEGOTIATES))


def is_ordinary(first: bytes, last: bytes, start: int) -> bool:
    """Return whether the lines ``first`` and ``last``, whose messages begin at ``start``, are a second apart."""
    at = 17 if start in (20, 25) else 13  # where the seconds stand
    if first[: at + 2] == last[: at + 2]:
        return True
    if first[:at] != last[:at]:
        return False
    seconds, later = first[at : at + 2], last[at : at + 2]
    return seconds.isdigit() and later.isdigit() and int(later) - int(seconds) == 1

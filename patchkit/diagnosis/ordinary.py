"""Handshakes of a server in which nothing is remarkable, told apart by the bytes of their lines.

Most of a busy server's log is of such: they begin and end within a second, and no other line of the peer's is between.
Their lines wait here unread; they are parsed only where something else happens to that peer, or it takes longer.
"""

from __future__ import annotations

from collections import OrderedDict

_MOST_WAITING = 4096  # peers in the middle of a handshake
MOST_LINES = 24
"""Of one handshake."""
_TAG_ENDS = 160  # bytes within which a logger's own prefix ends
_SYSLOG_TIME = 15  # bytes of "Nov  4 21:09:32"

Waiting = tuple[str, int, bytes, int]
"""A line that waits: file, number, bytes, and the index of its word."""
Place = tuple[int, bytes, bytes]
"""Where the message of a line begins, the logger's tag that tells its process, and its peer's address."""


class OrdinaryHandshakes:
    """The lines of handshakes that may be ordinary, by process and peer."""

    def __init__(self) -> None:
        self.waiting: OrderedDict[bytes, list[Waiting]] = OrderedDict()

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

    def add(self, place: Place, kind: str, line: Waiting) -> list[Waiting]:
        """Add ``line``. Returns all lines of its handshake when it is the last one of it, or too many wait."""
        waiting = self.waiting
        key = place[1] + place[2] if place[1] else place[2]
        lines = waiting.get(key)
        if lines is None:
            waiting[key] = [line]
            return waiting.popitem(last=False)[1] if len(waiting) > _MOST_WAITING else []
        if kind == "initial" or kind == "reneg":  # noqa: PLR1714 - twice as fast as a tuple
            waiting[key] = [line]
            return lines
        lines.append(line)
        is_renegotiated = kind == "tls-done" and lines[0][2].find(b" TLS: soft reset ", place[0]) > 0
        is_last = kind == "push-reply" or is_renegotiated
        return waiting.pop(key) if is_last or len(lines) > MOST_LINES else []

    def pop(self, place: Place) -> list[Waiting]:
        """Return the lines that wait for the peer at ``place``; they wait no longer."""
        return self.waiting.pop(place[1] + place[2], [])

    def pop_all(self) -> list[Waiting]:
        """Return all lines that wait; they wait no longer. ``waiting`` stays the same object."""
        lines = [line for waiting in self.waiting.values() for line in waiting]
        self.waiting.clear()
        return lines


def is_ordinary(first: bytes, last: bytes, start: int) -> bool:
    """Return whether the lines ``first`` and ``last``, whose messages begin at ``start``, are a second apart."""
    at = {20: 17, 25: 17}.get(start, 13)  # where the seconds stand
    if first[:at] != last[:at]:
        return False
    seconds, later = first[at : at + 2], last[at : at + 2]
    return seconds == later or (seconds.isdigit() and later.isdigit() and int(later) - int(seconds) == 1)

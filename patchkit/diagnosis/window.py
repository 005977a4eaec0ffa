"""Windows that waited for one packet, seen by the packets alone: of the end whose log it is, and of its peer.

A window is full where the next id is as many more than the oldest id without an ACK as the series allows. That it held
something back is seen when that ACK, or that packet, comes: a new packet follows at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_AT_ONCE = 0.25  # seconds: a packet that was held back is sent by the next pass of the main loop
_LEAST = 1.0  # seconds: a shorter wait is a round trip
OLD_WINDOW, NEW_WINDOW = 4, 6  # TLS_RELIABLE_N_SEND_BUFFERS up to 2.5, and since


@dataclass(slots=True)
class Waited:
    """A window that waited ``seconds`` for the packet ``pid``; ``is_own`` where it is that of this end."""

    seconds: float
    pid: int
    is_own: bool


@dataclass(slots=True)
class Windows:
    """Both windows of one key."""

    longest: Waited | None = None
    _unacked: set[int] = field(default_factory=set)
    _highest: int = -1
    _full: tuple[float, int] | None = None
    _freed: tuple[float, Waited] | None = None
    _heard: int = -1
    _heard_at: float | None = None

    def written(self, pid: int, time: float, window: int) -> None:
        """Take a packet that this end has sent, whose series has a ``window`` of so many packets."""
        if pid > self._highest:
            self._confirm(time, is_own=True)
            self._highest = pid
            self._unacked.add(pid)
        lowest = min(self._unacked, default=None)
        if self._full is None and lowest is not None and self._highest + 1 - lowest >= window:
            self._full = (time, lowest)

    def acknowledged(self, pids: tuple[int, ...], time: float, *, is_alone: bool) -> None:
        """Take the ACKs of one packet; with a message, it may be the message that is answered."""
        self._unacked.difference_update(pids)
        if self._full is None or self._full[1] in self._unacked:
            return
        since, pid = self._full
        self._full = None
        self._freed = (time, Waited(time - since, pid, is_own=True)) if is_alone else None

    def said(self, time: float) -> None:
        """Take a message that this end has put behind what waits: the line of its packet may come much later."""
        self._confirm(time, is_own=True)

    def read(self, pid: int, time: float, window: int) -> None:
        """Take a packet of the peer's, whose series has a ``window`` of so many packets."""
        if pid > self._heard:
            self._confirm(time, is_own=False)
            self._heard, self._heard_at = pid, time
        elif self._heard_at is not None and self._heard + 1 - pid >= window:
            self._freed = (time, Waited(time - self._heard_at, pid, is_own=False))

    def _confirm(self, time: float, *, is_own: bool) -> None:
        freed, self._freed = self._freed, None
        if freed is None or freed[1].is_own != is_own or not 0 <= time - freed[0] <= _AT_ONCE:
            return
        waited = freed[1]
        if waited.seconds >= _LEAST and (self.longest is None or waited.seconds > self.longest.seconds):
            self.longest = waited

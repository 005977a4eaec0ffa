"""What is remembered of an end and of its peers between handshakes."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from patchkit.diagnosis.handshake import Handshake
from patchkit.diagnosis.mark import Mark

_MANY_REPLAYS = 20
_MINUTE = 60.0  # seconds
_WINDOW = 6  # where the series is not known: what a window of 4 also reaches in time is judged by its lines


BACK_WITHIN = 120.0
"""Seconds: who comes back so soon after a session's end had a link that works."""


@dataclass(slots=True)
class LoggedPeer:
    """The other end of a session: its ``address`` with the port, and its ``name``, the common name."""

    address: str
    name: str = ""
    handshake: Handshake | None = None
    is_up: bool = False
    """Whether it has a key that works."""
    settling: bool = False
    strays: int = 0

    @property
    def host(self) -> str:
        """The address without the port."""
        return self.address.rpartition(":")[0] or self.address

    @property
    def label(self) -> str:
        """How findings name it."""
        return f"{self.name}/{self.address}" if self.name and self.address else self.name or self.address


@dataclass(slots=True, frozen=True)
class Ending:
    """A session's end, and whether it came back."""

    kind: str
    """ping-restart, and it came back with ``back``; tcp-reset; duplicate-cn."""
    peer: str
    mark: Mark
    back: Mark | None = None


@dataclass(slots=True)
class End:
    """One end of the tunnel: the process whose log is read."""

    name: str
    """The log's name, and the program's where a log has several."""
    files: dict[str, int] = field(default_factory=dict)
    """The files that were read, the oldest first, with their places."""
    is_server: bool = False
    is_multi: bool = False
    is_tcp: bool = False
    is_udp: bool = False
    is_ready: bool = False
    is_muted: bool = False
    version: str = ""
    window: int = _WINDOW
    verb: int = 0
    """The lowest --verb that prints what was seen."""
    lines: int = 0
    begin: float | None = None
    last: float | None = None
    first_stamp: str = ""
    last_stamp: str = ""
    completions: int = 0
    restarts: int = 0
    left: dict[str, Mark] = field(default_factory=dict)
    accepted: Mark | None = None
    wrap_line: Mark | None = None
    refused_when_up: Mark | None = None
    replays: list[Mark] = field(default_factory=list)
    replay_count: int = 0
    """The most packets that came twice within a minute."""
    _replayed: deque[float] = field(default_factory=lambda: deque(maxlen=_MANY_REPLAYS))
    undecryptable: list[Mark] = field(default_factory=list)
    undecryptable_count: int = 0
    left_out: deque[tuple[str, int]] = field(default_factory=lambda: deque(maxlen=256))
    """The lines, by file and number, that have dots in place of others: the log was shortened by hand."""
    refusals: deque[float] = field(default_factory=lambda: deque(maxlen=256))
    """When a client's host answered a server's packets that the port is closed: the way back works."""
    trip: float | None = None
    """The shortest time in seconds that a round trip took, as far as steps of handshakes show it."""
    begun: OrderedDict[str, tuple[float, str]] = field(default_factory=OrderedDict)
    """By the host of a server's clients: when its last attempt began, and its address with the port."""
    unheard: int = 0
    """Packets that a server sent, by the letters of verb 5, before any client had an instance."""
    unheard_line: Mark | None = None
    management: int = 0
    management_marks: list[Mark] = field(default_factory=list)

    def replay(self, time: float | None) -> None:
        """Take a packet that came twice, at ``time``."""
        self._replayed.append(time or 0.0)
        within = sum(0 <= self._replayed[-1] - earlier <= _MINUTE for earlier in self._replayed)
        self.replay_count = max(self.replay_count, within)

    def see(self, time: float, stamp: str) -> None:
        """Take the ``time`` of a line."""
        if self.begin is None:
            self.begin, self.first_stamp = time, stamp
        if self.last is None or time >= self.last:
            self.last, self.last_stamp = time, stamp

    def has_left_out(self, before: Mark, after: Mark) -> bool:
        """Return whether lines were left out between ``before`` and ``after``."""
        return any(before.line < line < after.line and file == before.file for file, line in self.left_out)

    @property
    def side(self) -> str:
        """Client or server, as far as the log shows it."""
        return "server" if self.is_server else "client"

    @property
    def _numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split(".") if part.isdigit())

    @property
    def sends_small(self) -> bool:
        """Whether its control packets have 100 bytes, as up to 2.3.8."""
        return bool(self._numbers) and self._numbers < (2, 3, 9)

    @property
    def sends_large(self) -> bool:
        """Whether it is known that its control packets have 1250 bytes."""
        return bool(self._numbers) and self._numbers >= (2, 3, 9)

    @property
    def asks_back(self) -> bool:
        """Whether a server of its release makes no instance before the client has answered its first packet."""
        return self._numbers >= (2, 6)

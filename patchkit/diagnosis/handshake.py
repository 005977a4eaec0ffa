"""One handshake, as one end's log shows it: which steps it reached, and when."""

from __future__ import annotations

from dataclasses import dataclass, field

from patchkit.diagnosis.mark import Mark
from patchkit.diagnosis.reliable import LoggedPacket, Reliable

_MOST_MARKS = 64  # of one handshake
_MOST_MOMENTS = 400  # arrows in a drawing
_MOST_OF_A_KIND = 8
_PATIENCE = 30.0  # seconds: half of --hand-window
_LONGEST_LABEL = 80  # characters


Drawn = tuple[float, str, str, int | None]
"""A moment of a drawing: seconds, direction, label, and the packet's id."""


@dataclass(slots=True)
class Handshake:
    """An attempt to agree on a key with ``peer``, of the end ``side``."""

    peer: str
    side: str
    is_renegotiation: bool = False
    is_tcp: bool = False
    marks: list[Mark] = field(default_factory=list)
    first: dict[str, Mark] = field(default_factory=dict)
    """The first mark of each kind."""
    counts: dict[str, int] = field(default_factory=dict)
    reliable: Reliable = field(default_factory=Reliable)
    moments: list[Drawn] = field(default_factory=list)
    letters_read: int = 0
    letters_written: int = 0
    begin: Mark | None = None
    last: Mark | None = None

    def mark(self, mark: Mark) -> None:
        """Take ``mark``."""
        kind = mark.kind
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind not in self.first:
            self.first[kind] = mark
        if self.begin is None:
            self.begin = mark
        self.last = mark
        if len(self.marks) < _MOST_MARKS and self.counts[kind] <= _MOST_OF_A_KIND:
            self.marks.append(mark)
            if not kind.startswith("packet"):
                self._moment(mark.time, "event", mark.text[:_LONGEST_LABEL])

    def has(self, *kinds: str) -> bool:
        """Return whether a mark of one of ``kinds`` is there."""
        return not self.first.keys().isdisjoint(kinds)

    def time(self, *kinds: str) -> float | None:
        """Return the time of the first mark of the first of ``kinds`` that is there."""
        for kind in kinds:
            if kind in self.first:
                return self.first[kind].time
        return None

    def letters(self, text: str) -> None:
        """Count the letters that verb 5 writes for packets."""
        self.letters_read += text.count("R")
        self.letters_written += text.count("W")

    def moment(self, packet: LoggedPacket, time: float | None) -> None:
        """Keep ``packet`` for the drawing."""
        name = packet.opcode.removeprefix("P_").removesuffix("_V1").removesuffix("_V2").removesuffix("_V3")
        label = name if packet.pid is None else f"{name} {packet.pid}"
        if packet.acks:
            label += f" [{' '.join(map(str, packet.acks))}]"
        self._moment(time, "in" if packet.is_read else "out", label, packet.pid)

    def _moment(self, time: float | None, direction: str, label: str, pid: int | None = None) -> None:
        begin = self.begin.time if self.begin else None
        if time is not None and begin is not None and len(self.moments) < _MOST_MOMENTS:
            self.moments.append((round(time - begin, 6), direction, label, pid))

    @property
    def is_complete(self) -> bool:
        """Whether it came to its end."""
        return self.has("initiated", "completed", "session-active") or (self.is_renegotiation and self.has("tls-done"))

    @property
    def has_failed(self) -> bool:
        """Whether the log states that it failed, or somebody ended it who had waited long enough."""
        if self.has("timeout", "handshake-failed", "poll-timeout"):
            return True
        return self.has("ended") and (self.seconds or 0.0) >= _PATIENCE

    @property
    def seconds(self) -> float | None:
        """How long it was seen, in seconds; None where that is not known or time ran backwards."""
        if self.begin is None or self.last is None or self.begin.time is None or self.last.time is None:
            return None
        seconds = self.last.time - self.begin.time
        return seconds if seconds >= 0 else None

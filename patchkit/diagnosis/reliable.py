"""The reliable layer of one key, as far as a log shows it: what is sent, acknowledged, sent again, and stuck."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from patchkit.diagnosis.mark import Mark
from patchkit.diagnosis.window import NEW_WINDOW, OLD_WINDOW, Windows

_PACKET = re.compile(
    r"(?P<proto>(?:UDP|TCP)[\w-]*) (?P<way>READ|WRITE) \[(?P<size>\d+)\] (?:from|to) (?P<address>\S+?): ?"
    r"(?P<opcode>P_\w+) kid=(?P<kid>\d+)(?P<rest>.{0,400}?) ?DATA(?: |$)"
)
# Kept before 2.4 too: an ACK without "DATA len".
_ACK_ALONE = re.compile(
    r"(?P<proto>(?:UDP|TCP)[\w-]*) (?P<way>READ|WRITE) \[(?P<size>\d+)\] (?:from|to) (?P<address>\S+?): ?"
    r"(?P<opcode>P_\w+) kid=(?P<kid>\d+)(?P<rest>.{0,400})"
)
_ACKS = re.compile(r"\[((?: \d{1,10})*) (?:sid=[0-9a-f]{8} [0-9a-f]{8} )?\]")
_PID = re.compile(r"\bpid=(\d{1,10})\s*$")
_BROKEN = re.compile(r"\[(\d{1,10})\]((?: \d{1,10}){1,16})")
_MOST_IDS = 4096  # a handshake has some dozens; ids above it are what tls-crypt has made of them
_MOST_SENDS = 32  # of one packet that are kept
_BIG = 1000  # bytes: an MTU hole lets smaller ones through


class LoggedPacket(NamedTuple):
    """A line of verb 6: a packet that was read or written."""

    is_read: bool
    size: int
    opcode: str
    kid: int
    acks: tuple[int, ...]
    pid: int | None
    address: str
    is_tcp: bool


def packet_of(message: str) -> LoggedPacket | None:
    """Parse the packet that ``message`` logs; None where it logs none."""
    match = _PACKET.search(message) or _ACK_ALONE.search(message)
    if match is None:
        return None
    rest = match["rest"]
    acks, pid = _ACKS.search(rest), _PID.search(rest.rstrip())
    return LoggedPacket(
        is_read=match["way"] == "READ",
        size=min(int(match["size"][:9]), 1 << 16),
        opcode=match["opcode"],
        kid=int(match["kid"][:3]),
        acks=tuple(map(int, acks[1].split())) if acks else (),
        pid=int(pid[1]) if pid else None,
        address=match["address"],
        is_tcp=match["proto"].startswith("TCP"),
    )


def broken_ids(message: str) -> tuple[int, list[int]] | None:
    """Parse ``ACK output sequence broken: [next] ids``: the next id, and those outstanding, in order."""
    match = _BROKEN.search(message)
    return (int(match[1]), sorted(map(int, match[2].split()))) if match else None


@dataclass(slots=True)
class Stuck:
    """A packet that a full window waited for. ``since`` and ``until`` are times, None where the log has none."""

    pid: int
    since: float | None
    until: float | None
    first: Mark
    last: Mark
    """The first and the last line that show it."""
    window: int
    lines: int = 1

    @property
    def seconds(self) -> float:
        """How long it was seen to be stuck."""
        if self.since is None or self.until is None:
            return 0.0
        return max(0.0, self.until - self.since)


@dataclass(slots=True)
class Reliable:
    """What one end has sent and got of one handshake."""

    reads: int = 0
    writes: int = 0
    acks_read: int = 0
    resets_read: int = 0
    resets_written: int = 0
    control_read: int = 0
    control_written: int = 0
    repeated: int = 0
    """Packets of ours that were sent again after a second or more: a timer was over."""
    repeated_alive: int = 0
    """Of these, how many before something was last read: behind it the peer may be gone."""
    read_again: int = 0
    """Packets of the peer's that came again: it did not get our ACK, or not in time."""
    repeats_acks: bool = False
    """Whether the peer acknowledges again what came once: it is 2.6 or newer."""
    is_tcp: bool = False
    is_garbled: bool = False
    """Whether ids cannot be read: tls-crypt hides them."""
    last_read: float | None = None
    last_progress: float | None = None
    """When a packet or ACK last came that had not come before."""
    sends: dict[int, list[float]] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    acked: set[int] = field(default_factory=set)
    got: dict[int, int] = field(default_factory=dict)
    largest_read: int = 0
    now: Stuck | None = None
    longest: Stuck | None = None
    windows: Windows = field(default_factory=Windows)

    def packet(self, packet: LoggedPacket, time: float | None, window: int) -> None:
        """Take ``packet`` at ``time``; ``window`` is what the series sends without an ACK."""
        self.is_tcp = self.is_tcp or packet.is_tcp
        if packet.pid is not None and packet.pid > _MOST_IDS:
            self.is_garbled = True
        if packet.is_read:
            self._read(packet, time)
        else:
            self._write(packet, time)
        self._watch_windows(packet, time, window)

    def _read(self, packet: LoggedPacket, time: float | None) -> None:
        self.reads += 1
        self.last_read = time
        self.repeated_alive = self.repeated
        self.largest_read = max(self.largest_read, packet.size)
        is_new = False
        if "HARD_RESET" in packet.opcode:
            self.resets_read += 1
            self.control_read += self.resets_read > 1 and packet.pid not in (0, None)
        elif packet.opcode != "P_ACK_V1":
            self.control_read += 1
        if packet.pid is not None and packet.opcode != "P_ACK_V1" and not self.is_garbled:
            count = self.got.get(packet.pid, 0)
            self.got[packet.pid] = count + 1
            self.read_again += count > 0
            is_new = count == 0
        self.acks_read += len(packet.acks)
        for ack in packet.acks:
            if ack <= _MOST_IDS and ack not in self.acked and ack in self.sends:
                self.acked.add(ack)
                is_new = True
                if self.now is not None and self.now.pid == ack:
                    self._free(time)
            elif len(self.sends.get(ack, ())) == 1:
                self.repeats_acks = True
        if is_new:
            self.last_progress = time

    def _write(self, packet: LoggedPacket, time: float | None) -> None:
        self.writes += 1
        if "HARD_RESET" in packet.opcode:
            self.resets_written += 1
        elif packet.opcode != "P_ACK_V1":
            self.control_written += 1
        if packet.pid is None or packet.opcode == "P_ACK_V1" or self.is_garbled:
            return
        times = self.sends.setdefault(packet.pid, [])
        self.sizes[packet.pid] = packet.size
        if time is not None and len(times) < _MOST_SENDS:
            self.repeated += bool(times) and time - times[-1] >= 0.9
            times.append(time)

    def _watch_windows(self, packet: LoggedPacket, time: float | None, window: int) -> None:
        if time is None or self.is_garbled:
            return
        has_pid = packet.pid is not None and packet.opcode != "P_ACK_V1"
        if not packet.is_read:
            if has_pid:
                self.windows.written(packet.pid or 0, time, window)
            return
        self.windows.acknowledged(packet.acks, time, is_alone=not has_pid)
        if has_pid:
            self.windows.read(packet.pid or 0, time, NEW_WINDOW if self.repeats_acks else OLD_WINDOW)

    def broken(self, next_id: int, ids: list[int], mark: Mark) -> None:
        """Take the line ``mark``, "ACK output sequence broken"."""
        time = mark.time
        lowest = ids[0]
        if self.now is None or self.now.pid != lowest:
            self._free(time)
            self.now = Stuck(lowest, time, time, mark, mark, next_id - lowest)
        else:
            self.now.lines += 1
            self.now.last = mark
            if time is not None and (self.now.until is None or time > self.now.until):
                self.now.until = time
        self._compare()

    def _free(self, time: float | None) -> None:
        """The packet that was stuck is through."""
        if self.now is not None:
            if time is not None and self.now.until is not None:
                self.now.until = max(self.now.until, time)
            self._compare()
        self.now = None

    def _compare(self) -> None:
        now = self.now
        if now is not None and (
            self.longest is None or (now.seconds, now.lines) > (self.longest.seconds, self.longest.lines)
        ):
            self.longest = now

    @property
    def big_lost(self) -> int:
        """The most transmissions of a large packet that was never acknowledged."""
        return max(
            (len(times) for pid, times in self.sends.items() if pid not in self.acked and self.sizes[pid] >= _BIG),
            default=0,
        )

    @property
    def small_acked(self) -> int:
        """Small packets that were acknowledged."""
        return sum(self.sizes.get(pid, _BIG) < _BIG for pid in self.acked)

    @property
    def big_acked(self) -> int:
        """Large packets that were acknowledged."""
        return sum(self.sizes.get(pid, 0) >= _BIG for pid in self.acked)

    @property
    def has_gap(self) -> bool:
        """Whether a later packet of the peer's came and an earlier one never did."""
        return bool(self.got) and not self.is_garbled and len(self.got) <= max(self.got)

"""What a relay does to make of two honest peers two that follow no rules about ACKs: tests/reliable/peer.h's, for real.

Each end then has a peer that acknowledges nothing, or twice, or the future, or backwards, or floods. What the resets
say stays as it is, so that the handshake begins. Packets are read and written as ssl_pkt.c does, without tls-auth.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from patchkit.lab.observe.packets import OPCODES

_ACK = 5
_FLOOD = 4000
"""Datagrams that a flood has for each side: a hundred times what a handshake needs."""
_BURST = 100


@dataclass(frozen=True)
class Packet:
    """A control packet or pure ACK, in its parts."""

    head: bytes
    """Opcode, key and session ID."""
    acks: tuple[int, ...]
    theirs: bytes
    """The session that is acknowledged; empty without ACKs."""
    rest: bytes
    """Packet ID and TLS: empty in a pure ACK."""

    @staticmethod
    def of(datagram: bytes) -> Packet:
        end = 10 + 4 * datagram[9]
        acks = struct.unpack(f">{datagram[9]}I", datagram[10:end])
        theirs = datagram[end : end + 8] if acks else b""
        return Packet(datagram[:9], acks, theirs, datagram[end + len(theirs) :])

    def with_acks(self, *acks: int) -> list[bytes]:
        """The same with other ACKs; nothing at all where that leaves nothing."""
        if not acks and not self.rest:
            return []
        record = struct.pack(f">B{len(acks)}I", len(acks), *acks) + (self.theirs if acks else b"")
        return [self.head + record + self.rest]

    def ack_of(self, *acks: int) -> list[bytes]:
        """A pure ACK beside it."""
        return Packet(bytes([_ACK << 3 | self.head[0] & 7]) + self.head[1:], (), self.theirs, b"").with_acks(*acks)


Mangle = Callable[[Packet], list[bytes]]


def silent(packet: Packet) -> list[bytes]:
    return packet.with_acks()


def twice(packet: Packet) -> list[bytes]:
    return packet.with_acks(*packet.acks) + 2 * packet.ack_of(*packet.acks, *packet.acks)


def future(packet: Packet) -> list[bytes]:
    last = max(packet.acks)
    never_sent = packet.ack_of(*range(last + 1000, last + 1004)) + packet.ack_of(2**32 - 1)
    return [*never_sent, *packet.with_acks(*packet.acks)]


def ahead(packet: Packet) -> list[bytes]:
    """No right ACK, and with each packet eight of packets that were never sent: CVE-2026-84732."""
    last = max(packet.acks)
    return packet.with_acks() + packet.ack_of(*range(last + 1000, last + 1008))


def in_reverse() -> Mangle:
    """The last one first, four at a time: what is kept back comes with the next copies."""
    kept: list[int] = []

    def mangle(packet: Packet) -> list[bytes]:
        kept.extend(ack for ack in packet.acks if ack not in kept)
        if len(kept) < 4:
            return packet.with_acks()
        acks = [datagram for ack in sorted(kept, reverse=True) for datagram in packet.ack_of(ack)]
        kept.clear()
        return packet.with_acks() + acks

    return mangle


def flooding(seed: int) -> Mangle:
    """ACKs, control packets and rubbish, never a right ACK."""
    dice = random.Random(seed)  # noqa: S311 - a link, not a secret
    left = _FLOOD

    def mangle(packet: Packet) -> list[bytes]:
        nonlocal left
        burst: list[bytes] = []
        control = Packet(bytes([4 << 3 | packet.head[0] & 7]) + packet.head[1:], (), packet.theirs, b"")
        while left > 0 and len(burst) < _BURST:
            left -= 1
            number = struct.pack(">I", dice.choice([0, dice.randrange(1 << 20, 1 << 32)]))  # TLS itself is left alone
            burst += dice.choice(
                [
                    packet.ack_of(*(dice.getrandbits(32) for _ in range(dice.randint(1, 8)))),
                    [control.head + b"\0" + number + dice.randbytes(80)],
                    [dice.randbytes(dice.randint(1, 100))],
                ]
            )
        return packet.with_acks() + burst

    return mangle


MISDEEDS: dict[str, Callable[[], tuple[Mangle, Mangle]]] = {
    "silent": lambda: (silent, silent),
    "twice": lambda: (twice, twice),
    "future": lambda: (future, future),
    "reverse": lambda: (in_reverse(), in_reverse()),
    "flood": lambda: (flooding(1), flooding(2)),
}
"""By name: what is done to what the server sends, and to what the client sends."""


ATTACKS: dict[str, Callable[[], tuple[Mangle, Mangle]]] = {"ahead": lambda: (ahead, ahead)}
"""What stock is known not to withstand, in the same form."""


@dataclass
class Mangler:
    """A relay's fate of datagrams, and how many control packets, and how many different ones, each end sent."""

    misdeed: str
    packets: Counter[bool] = field(default_factory=Counter)
    """By whether the client sent them."""
    messages: dict[bool, set[bytes]] = field(default_factory=lambda: {False: set(), True: set()})

    def __post_init__(self) -> None:
        self._mangle = (MISDEEDS | ATTACKS)[self.misdeed]()

    def __call__(self, datagram: bytes, from_client: bool) -> list[bytes]:
        opcode = datagram[0] >> 3
        if OPCODES[opcode].startswith("P_DATA"):
            return [datagram]
        packet = Packet.of(datagram)
        if opcode != _ACK:
            self.packets[from_client] += 1
            self.messages[from_client].add(packet.head + packet.rest[:4])
        if not any(packet.acks):  # none, or of the reset
            return [datagram]
        return self._mangle[from_client](packet)

"""Reads captures of the lab's link: control packets as ssl_pkt.c writes them, without tls-auth or tls-crypt."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from patchkit.lab.observe.packets import OPCODES
from patchkit.lab.runner.task import PORT

_HEADERS = 14 + 20 + 8  # Ethernet, IPv4 without options, UDP
_GLOBAL_HEADER = 24

Message = tuple[str, str, int, int | None]
"""Direction, opcode, key and packet ID."""


@dataclass(frozen=True)
class ControlPacket:
    """One control packet or pure ACK, as it came to the router or left it."""

    direction: str
    """up: to the server."""
    opcode: str
    key_id: int
    session: bytes
    acks: tuple[int, ...]
    acks_session: bytes
    """Whose packets these are; empty without ACKs."""
    packet_id: int | None
    """None for a pure ACK."""
    length: int
    """Bytes of TLS."""
    begin: bytes
    """The first of these bytes: a capture does not keep all."""

    @property
    def message(self) -> Message:
        """What it brings: another copy of it has the same."""
        return self.direction, self.opcode, self.key_id, self.packet_id


def control_packets(pcap: bytes) -> list[ControlPacket]:
    """All of them in a ``link.pcap``, by time: as each came, and as it left. Raises where one has another form."""
    return [packet for packet in map(_control, _payloads(pcap)) if packet is not None]


def _payloads(pcap: bytes) -> Iterator[tuple[str, bytes, int]]:
    """Direction, what is kept of the UDP payload, and how long that was."""
    at = _GLOBAL_HEADER
    while at < len(pcap):
        kept, length = struct.unpack_from("<II", pcap, at + 8)
        frame = pcap[at + 16 : at + 16 + kept]
        at += 16 + kept
        (to,) = struct.unpack_from(">H", frame, _HEADERS - 6)
        yield "up" if to == PORT else "down", frame[_HEADERS:], length - _HEADERS


def _control(seen: tuple[str, bytes, int]) -> ControlPacket | None:
    direction, payload, length = seen
    opcode = OPCODES[payload[0] >> 3]
    if opcode.startswith("P_DATA"):
        return None
    count = payload[9]
    at = 10 + 4 * count
    acks = struct.unpack(f">{count}I", payload[10:at])
    theirs = payload[at : at + 8] if count else b""
    at += len(theirs)
    packet_id = None
    if opcode != "P_ACK_V1":
        (packet_id,) = struct.unpack_from(">I", payload, at)
        at += 4
    return ControlPacket(
        direction, opcode, payload[0] & 7, payload[1:9], acks, theirs, packet_id, length - at, payload[at:]
    )

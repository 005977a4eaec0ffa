"""Every packet of OpenVPN's port that comes to the router, and every one that leaves it, with the kernel's time stamps.

On each of the router's devices, what comes in has not yet been through netem, and what goes out has been: a
packet socket is shown incoming packets by the driver, and outgoing ones when the queue lets them go.
"""

from __future__ import annotations

import _socket as socket  # the module around it brings enumerations along
import struct
import zlib
from array import array

_ETH_P_ALL = 3
_SO_ATTACH_FILTER = 26
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_PACKET_OUTGOING = 4
_BUFFER = 48 << 20  # bytes: a storm of 20,000 packets between two looks
_FRAMES = 12 << 20  # bytes: the guest has no room for every frame of a storm, which it holds four times to answer
_SNAP = 400  # bytes of a frame that a capture file keeps
_SEGMENT = 14 + 20  # Ethernet, IPv4 without options
_HEADERS = _SEGMENT + 8  # and UDP
_TCP = 6  # IP's number of it
_FLAGS, _SYN_OR_FIN = 13, 0x03  # in TCP's header
RECORD = struct.Struct("<QBBHII")
"""Time (ns since 1970), point, first byte, length of the UDP payload, its CRC-32, which message it is.

Of a TCP segment: time, point and :data:`TCP`, whether it carries data or opens or ends the connection, its length with
TCP's header, its CRC-32, and 0."""
FRAME = struct.Struct("<QBHH")
"""Time, point, the frame's length and how many bytes of it follow."""
UP_SENT, UP_DELIVERED, DOWN_SENT, DOWN_DELIVERED = range(4)
"""Points."""
TCP = 4
"""Added to the point where a segment of TCP was seen."""

# A classic BPF program: IPv4, UDP or TCP, from or to the port; see linux/filter.h and bpf(4).
_LDH, _LDB, _JEQ, _RET = 0x28, 0x30, 0x15, 0x06


def _filter(port: int) -> bytes:
    program = (
        (_LDH, 0, 0, 12), (_JEQ, 0, 8, 0x0800),
        (_LDB, 0, 0, 23), (_JEQ, 1, 0, 17), (_JEQ, 0, 5, _TCP),
        (_LDH, 0, 0, 34), (_JEQ, 2, 0, port),
        (_LDH, 0, 0, 36), (_JEQ, 0, 1, port),
        (_RET, 0, 0, 0xFFFF), (_RET, 0, 0, 0),
    )  # fmt: skip
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


class Capture:
    """Two packet sockets and what they have seen. ``control_only`` leaves data packets uncounted (a long soak)."""

    def __init__(self, port: int, acks_at: int | None, *, control_only: bool = False) -> None:
        self.port = port
        self.acks_at = acks_at
        """Where in the payload the number of ACKs stands; None where it can't be read."""
        self.control_only = control_only
        self.records = bytearray()
        self.frames = bytearray()
        self.lost = 0
        """Packets that came faster than they were read."""
        self.first_up: int | None = None
        """When the client's first packet came to the router, in ns since 1970."""
        self.sockets: list[tuple[socket.socket, int, int]] = []

    def open(self, to_client: str, to_server: str) -> None:
        """Begin. In the router's namespace."""
        program = _filter(self.port)
        kept = array("B", program)  # must live as long as its address is used
        prog = struct.pack("HL", len(program) // 8, kept.buffer_info()[0])
        points = ((to_client, UP_SENT, DOWN_DELIVERED), (to_server, DOWN_SENT, UP_DELIVERED))
        for device, incoming, outgoing in points:
            packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # 0: nothing yet
            packets.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, prog)
            packets.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
            packets.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            packets.setblocking(False)
            packets.bind((device, _ETH_P_ALL))
            self.sockets.append((packets, incoming, outgoing))

    def drain(self) -> None:
        """Take what has come since. Every packet is counted; of a storm, the frames of the first ones are kept."""
        before = len(self.frames)
        for packets, incoming, outgoing in self.sockets:
            self._drain(packets, incoming, outgoing)
        if len(self.frames) > _FRAMES:
            del self.frames[before:]

    def _drain(self, packets: socket.socket, incoming: int, outgoing: int) -> None:
        pack, crc = RECORD.pack, zlib.crc32
        while True:
            try:
                frame, ancillary, _, address = packets.recvmsg(2048, 64)
            except BlockingIOError:
                return
            point = outgoing if address[2] == _PACKET_OUTGOING else incoming
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            when = seconds * 1_000_000_000 + nanoseconds
            if point == UP_SENT and self.first_up is None:
                self.first_up = when
            # Always, though few are asked for: a trial must take the same steps when somebody looks closely.
            kept = frame[:_SNAP]
            if frame[23] == _TCP:
                if not self.control_only:
                    segment = frame[_SEGMENT:]
                    data = len(segment) - (segment[12] >> 4) * 4
                    carries = bool(data or segment[_FLAGS] & _SYN_OR_FIN)
                    self.records += pack(when, point + TCP, carries, len(segment), crc(segment), 0)
                    self.frames += FRAME.pack(when, point, len(frame), len(kept)) + kept
                continue
            payload = frame[_HEADERS:]
            if self.control_only and payload[:1] and payload[0] >> 3 in (6, 9):  # P_DATA_V1, P_DATA_V2
                continue
            message = self.message(payload) if point in (UP_SENT, DOWN_SENT) else 0
            self.records += pack(when, point, payload[0] if payload else 0, len(payload), crc(payload), message)
            self.frames += FRAME.pack(when, point, len(frame), len(kept)) + kept

    def message(self, payload: bytes) -> int:
        """Of a control packet, one number for its session, key and packet ID: another copy of it has the same.

        The ID stands behind the ACKs and, where there are any, the session ID of whom they are for.
        """
        at = self.acks_at
        if at is None or len(payload) <= at or payload[0] >> 3 in (5, 6, 9):  # ACKs alone, data
            return 0
        at += 1 + (4 * payload[at] + 8) * bool(payload[at])
        return zlib.crc32(payload[at : at + 4], zlib.crc32(payload[:9]))

    def close(self) -> None:
        """Stop, and learn what was missed."""
        self.drain()
        for packets, _, _ in self.sockets:
            self.lost += struct.unpack("II", packets.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1]
            packets.close()
        self.sockets.clear()

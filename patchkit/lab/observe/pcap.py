"""A capture file of the link, for tcpdump and Wireshark: what came to the router and what left it.

The format is pcap with nanoseconds (draft-ietf-opsawg-pcap). In Wireshark the two points differ by the router's MAC
addresses and by the time between them.
"""

from __future__ import annotations

import struct

from patchkit.lab.runner import capture

_MAGIC_NANOSECONDS, _ETHERNET, _SNAPLEN = 0xA1B23C4D, 1, 65535


def pcap(frames: bytes) -> bytes:
    """Write the runner's ``frames`` as a capture file, by time."""
    records = []
    at = 0
    while at < len(frames):
        when, _, length, kept = capture.FRAME.unpack_from(frames, at)
        at += capture.FRAME.size
        head = struct.pack("<IIII", when // 10**9, when % 10**9, kept, length)
        records.append((when, head + frames[at : at + kept]))
        at += kept
    header = struct.pack("<IHHiIII", _MAGIC_NANOSECONDS, 2, 4, 0, 0, _SNAPLEN, _ETHERNET)
    return header + b"".join(record for _, record in sorted(records, key=lambda record: record[0]))

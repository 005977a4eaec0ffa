"""What the runner gives back, whole or not at all; and capture files made from it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchkit.lab.observe.pcap import pcap
from patchkit.lab.runner.answer import MAGIC, packed, unpacked
from patchkit.lab.runner.capture import FRAME, UP_DELIVERED, UP_SENT, _filter

PARTS = st.dictionaries(st.text(max_size=8), st.binary(max_size=50), max_size=4)
OUTCOMES = st.dictionaries(st.text(max_size=8).filter("parts".__ne__), st.integers() | st.text(max_size=8), max_size=4)
BEGAN = 1_796_083_200_000_000_001


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(OUTCOMES, PARTS), max_size=3))
def test_what_is_packed_is_unpacked(answers: list[tuple[dict[str, object], dict[str, bytes]]]) -> None:
    assert unpacked(b"".join(packed(outcome, parts) for outcome, parts in answers)) == answers


def test_no_byte_of_it_may_be_missing_or_another() -> None:
    data = packed({"outcome": "completed"}, {"packets": b"\0\1\n", "a": b""}) + packed({}, {})
    first = len(data) - len(packed({}, {}))
    for length in range(1, len(data)):
        if length != first:
            with pytest.raises(ValueError):  # noqa: PT011 - which one does not matter
                unpacked(data[:length])
    for at in range(len(data)):
        with pytest.raises(ValueError):  # noqa: PT011
            unpacked(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(ValueError, match="what came is no answer"):
        unpacked(b"Kernel panic\n")
    with pytest.raises(ValueError):  # noqa: PT011
        unpacked(MAGIC)


def frame(source: int, destination: int, payload: bytes) -> bytes:
    udp = struct.pack(">HHHH", source, destination, 8 + len(payload), 0) + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x0a\x4d\1\2", b"\x0a\x4d\2\2")
    return b"\2" * 6 + b"\4" * 6 + b"\x08\0" + ip + udp


def frames() -> bytes:
    whole = frame(40000, 1194, b"\x38" + bytes(13))
    return b"".join(
        FRAME.pack(BEGAN + when, point, len(whole), len(kept)) + kept
        for when, point, kept in ((50_000_000, UP_DELIVERED, whole[:42]), (0, UP_SENT, whole))
    )


def test_a_capture_file_is_read_back() -> None:
    data = pcap(frames())
    magic, major, minor, zone, figures, snap, kind = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, zone, figures, snap, kind) == (0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    at, packets = 24, []
    while at < len(data):
        seconds, nanoseconds, kept, length = struct.unpack_from("<IIII", data, at)
        packets.append((seconds * 10**9 + nanoseconds - BEGAN, kept, length, data[at + 16 : at + 16 + kept]))
        at += 16 + kept
    whole = frame(40000, 1194, b"\x38" + bytes(13))
    assert packets == [(0, 56, 56, whole), (50_000_000, 42, 56, whole[:42])]
    assert len(pcap(b"")) == 24


@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="wants tcpdump")
def test_tcpdump_reads_it(tmp_path: Path) -> None:
    (tmp_path / "link.pcap").write_bytes(pcap(frames()))
    listing = subprocess.run(
        ["tcpdump", "-n", "-r", str(tmp_path / "link.pcap")], check=True, capture_output=True, text=True
    ).stdout
    assert listing.count("10.77.1.2.40000 > 10.77.2.2.1194") == 2


def passes(program: bytes, packet: bytes) -> bool:
    """Classic BPF, as far as the filter uses it."""
    at, value = 0, 0
    while True:
        code, yes, no, argument = struct.unpack_from("<HBBI", program, 8 * at)
        at += 1
        if code == 0x06:
            return bool(argument)
        if code == 0x15:
            at += yes if value == argument else no
            continue
        size = 2 if code == 0x28 else 1
        if argument + size > len(packet):
            return False
        value = int.from_bytes(packet[argument : argument + size], "big")


def test_the_filter_takes_openvpns_packets_alone() -> None:
    program = _filter(1194)
    up, down, other = frame(40000, 1194, b"x"), frame(1194, 40000, b"x"), frame(40000, 53, b"x")
    assert passes(program, up)
    assert passes(program, down)
    assert not passes(program, other)
    assert passes(program, up[:23] + b"\x06" + up[24:])  # TCP
    assert not passes(program, other[:23] + b"\x06" + other[24:])
    assert not passes(program, up[:23] + b"\x01" + up[24:])  # ICMP
    assert not passes(program, up[:12] + b"\x86\xdd" + up[14:])  # IPv6
    assert not passes(program, up[:30])

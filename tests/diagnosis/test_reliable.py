"""The lines of packets, as --verb 6, and 9 and more, write them."""

from __future__ import annotations

import pytest

from patchkit.diagnosis.reliable import packet_of

_READ = "UDP READ [1200] from [AF_INET]192.0.2.2:1194: P_CONTROL_V1 kid=0 "


@pytest.mark.parametrize(
    ("message", "pid", "acks"),
    [
        (f"{_READ}[ 1 ] pid=2 DATA len=1186", 2, (1,)),
        (f"{_READ}[ ] pid=2 DATA len=1186", 2, ()),
        (f"{_READ}pid=[ #3 ] [ 1 0 ] pid=2 DATA len=360", 2, (1, 0)),
        (f"{_READ}sid=2680323d a73be109 [ 1 sid=9e305500 fa3f2cd6 ] pid=2 DATA 16030300 7a020000[more...]", 2, (1,)),
        (
            f"{_READ}sid=2680323d a73be109 tls_hmac=2492c70c 9b3b9981 pid=[ #4 / time = (1586886711) Tue Apr 14 "
            "10:51:51 2020 ] [ ] pid=3 DATA 85032ada 4eb35f5f[more...]",
            3,
            (),
        ),
        (f"{_READ}sid=2680323d a73be109 [ ] pid=0 DATA", 0, ()),
        ("UDPv4 WRITE [22] to [AF_INET]192.0.2.2:1194: P_ACK_V1 kid=0 [ 4 ]", None, (4,)),
    ],
)
def test_packets(message: str, pid: int | None, acks: tuple[int, ...]) -> None:
    packet = packet_of(message)
    assert packet is not None
    assert (packet.pid, packet.acks) == (pid, acks)


def test_a_packet_of_data_is_none() -> None:
    assert packet_of("UDPv4 READ [125] from [AF_INET]192.0.2.2:1194: DATA UNDEF len=124") is None

"""What loggers put around a message: the time, the program, and the peer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from patchkit.diagnosis.input.framing import Framer, peer_of

WHEN = datetime(2013, 7, 24, 16, 53, 10, tzinfo=UTC).timestamp()
NO_YEAR = datetime(2000, 7, 24, 16, 53, 10, tzinfo=UTC).timestamp()
TIMES = {
    "2013-07-24 16:53:10 ": WHEN,
    "2013-07-24 16:53:10 us=250000 ": WHEN + 0.25,
    "2013-07-24T16:53:10.25Z host openvpn[7]: ": WHEN + 0.25,
    "2013-07-24T16:53:10+0200 host openvpn[7]: ": WHEN,
    "Wed Jul 24 16:53:10 2013 ": WHEN,
    "Wed Jul 24 16:53:10 2013 us=250000 ": WHEN + 0.25,
    "RWWed Jul 24 16:53:10 2013 ": WHEN,
    "Wed Jul 24 16:53:10 2013 daemon.notice openvpn(x)[7]: ": WHEN,
    "Jul 24 16:53:10 host openvpn[7]: ": NO_YEAR,
    "Jul 24 16:53:10 openvpn 7 ": NO_YEAR,
    "Jul 24 16:53:10 host openvpn[7]: Wed Jul 24 16:53:10 2013 us=250000 ": WHEN + 0.25,
    "[Jul 24, 2013, 16:53:10] ": WHEN,
    "7/24/2013, 4:53:10 PM ": WHEN,
    "24.07.2013 16:53:10 ": WHEN,
    "07-24 16:53:10.250  1  2 I openvpn : ": NO_YEAR + 0.25,
    f"{int(WHEN)}.250000 50 ": WHEN + 0.25,
    "   0.165272 2013-07-24 16:53:10 us=250000 ": WHEN + 0.25,
    "openvpn-1  | 2013-07-24 16:53:10 ": WHEN,
    f"2013-07-24 18:53:11 debug >LOG:{int(WHEN)},N,": WHEN,
}


@pytest.mark.parametrize("prefix", TIMES)
def test_times(prefix: str) -> None:
    framed = Framer().split(f"{prefix}TLS Error: TLS handshake failed")
    assert framed.message == "TLS Error: TLS handshake failed"
    assert framed.time == pytest.approx(TIMES[prefix], abs=1e-5)
    assert framed.is_framed


def test_letters_of_verb_5() -> None:
    assert Framer().split("WRRWed Jul 24 16:53:10 2013 x").letters == "WRR"
    assert Framer().split("WRRW2013-07-24 16:53:10 x").letters == "WRRW"


def test_a_time_that_cannot_be() -> None:
    assert Framer().split("2013-02-30 25:61:61 TLS Error").time is None


def test_programs_are_told_apart() -> None:
    first, second = (Framer().split(f"Jul 24 16:53:10 host ovpn-{name}[{name}]: x") for name in (1, 2))
    assert (first.program, second.program) == ("ovpn-1[1]", "ovpn-2[2]")


def test_an_error_of_tls_is_no_program() -> None:
    assert Framer().split("2013-07-24 16:53:10 TLS Error: TLS handshake failed").program == ""


@pytest.mark.parametrize(
    ("message", "name", "address"),
    [
        ("192.0.2.1:4 x", "", "192.0.2.1:4"),
        ("anna/192.0.2.1:4 x", "anna", "192.0.2.1:4"),
        ("Anna K/192.0.2.1:4 x", "Anna K", "192.0.2.1:4"),
        ("anna/[2001:db8::1]:4 x", "anna", "[2001:db8::1]:4"),
        ("anna/2001:db8::1 x", "anna", "2001:db8::1"),
        ("REDACTED:51236 x", "", "REDACTED:51236"),
        ("anna/udp4:192.0.2.1:4 x", "anna", "udp4:192.0.2.1:4"),
        ("TCP/UDP: Closing socket", "", ""),
        ("TLS: soft reset sec=3600 bytes=1/-1 pkts=1/0", "", ""),
    ],
)
def test_peers(message: str, name: str, address: str) -> None:
    assert peer_of(message) == (name, address, "x" if address else message)

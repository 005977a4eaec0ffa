"""Attempts that ran into their limit: what --verb 3 to 6 shows of the reason, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from patchkit.diagnosis.diagnose import diagnose
from patchkit.diagnosis.finding import LogFinding
from patchkit.diagnosis.input.files import LogFile

Found = Callable[[str], list[LogFinding]]

CLIENT = """\
2026-12-01 00:00:00 us=10000 OpenVPN {version} x86_64-pc-linux-gnu [SSL (OpenSSL)] [LZO] [LZ4] [EPOLL]
2026-12-01 00:00:00 us=20000 UDP link remote: [AF_INET]192.0.2.2:1194
2026-12-01 00:00:{first} TLS: Initial packet from [AF_INET]192.0.2.2:1194, sid=aae65815 a2fbd338
2026-12-01 00:00:45 us=599731 TLS Error: TLS key negotiation failed to occur within 45 seconds (check your network connectivity)
2026-12-01 00:00:45 us=599748 TLS Error: TLS handshake failed
2026-12-01 00:00:45 us=599900 SIGUSR1[soft,tls-error] received, process restarting
"""  # noqa: E501 - lines of logs are as long as they are
AGAIN = """\
2026-12-01 00:00:47 us=600368 UDP link remote: [AF_INET]192.0.2.2:1194
2026-12-01 00:01:32 us=599731 TLS Error: TLS key negotiation failed to occur within 45 seconds (check your network connectivity)
2026-12-01 00:01:32 us=599748 TLS Error: TLS handshake failed
"""  # noqa: E501
SERVER = """\
2026-12-01 00:00:00 us=10000 OpenVPN {version} x86_64-pc-linux-gnu [SSL (OpenSSL)] [LZO] [LZ4] [EPOLL]
2026-12-01 00:00:00 us=13845 MULTI: multi_init called, r=256 v=256
2026-12-01 00:00:00 us=71538 192.0.2.1:39767 TLS: Initial packet from [AF_INET]192.0.2.1:39767, sid=8e58a872 dc2520db
2026-12-01 00:00:45 us=782401 192.0.2.1:39767 TLS Error: TLS key negotiation failed to occur within 45 seconds (check your network connectivity)
2026-12-01 00:00:45 us=782418 192.0.2.1:39767 TLS Error: TLS handshake failed
"""  # noqa: E501
REFUSED = "2026-12-01 00:00:{second} us=668561 read UDPv4 [ECONNREFUSED]: Connection refused (code=111)\n"


@pytest.fixture
def found(tmp_path: Path) -> Found:
    def run(text: str) -> list[LogFinding]:
        path = tmp_path / "log"
        path.write_text(text)
        return diagnose([LogFile("log", path)]).findings

    return run


def kinds(findings: list[LogFinding]) -> list[tuple[str, str]]:
    return [(finding.kind.value, finding.certainty.value) for finding in findings]


def test_a_client_whose_server_answers_and_sends_no_certificate(found: Found) -> None:
    (finding,) = found(CLIENT.format(version="2.4.12", first="00 us=121643"))
    assert (finding.kind, finding.certainty) == ("mtu", "possible")
    assert "A firewall that knows OpenVPN looks the same" in finding.reason


@pytest.mark.parametrize("version", ["2.3.2", "2.x"])
def test_packets_of_100_bytes_pass_a_hole(found: Found, version: str) -> None:
    assert "mtu" not in [kind for kind, _ in kinds(found(CLIENT.format(version=version, first="00 us=121643")))]


def test_a_first_answer_that_was_late_met_losses(found: Found) -> None:
    assert kinds(found(CLIENT.format(version="2.4.12", first="06 us=121643"))) == [("lossy-link", "likely")]
    (finding,) = found(CLIENT.format(version="2.3.2", first="06 us=121643"))
    assert finding.kind == "stall"
    assert "four at a time" in finding.reason


def test_a_server_that_answers_one_attempt_and_not_the_next(found: Found) -> None:
    once = CLIENT.format(version="2.4.12", first="00 us=121643")
    assert kinds(found(once + AGAIN)) == [("lossy-link", "possible")]


def test_a_server_that_gets_one_packet_may_have_a_dead_way_back(found: Found) -> None:
    """Losses, a hole, a dead way back, and a scanner look the same: the lab's logs of them differ in times and ids."""
    for version in ("2.3.2", "2.4.12"):
        assert kinds(found(SERVER.format(version=version))) == [("not-enough", "possible")]


@pytest.mark.parametrize(("version", "kind"), [("2.3.2", "stall"), ("2.4.12", "mtu")])
def test_a_closed_port_shows_that_answers_arrive(found: Found, version: str, kind: str) -> None:
    log = SERVER.format(version=version)
    head, line, rest = log.partition("2026-12-01 00:00:45 us=782401")
    assert kinds(found(head + REFUSED.format(second="33") + line + rest)) == [(kind, "possible")]
    assert kinds(found(log + REFUSED.format(second="59"))) == [("not-enough", "possible")]


def test_a_server_since_26_knows_that_answers_arrive(found: Found) -> None:
    """It makes an instance only when its own first packet has come back."""
    assert kinds(found(SERVER.format(version="2.6.14"))) == [("mtu", "possible")]


@pytest.mark.parametrize("count", [2, 3])
def test_a_second_packet_without_the_first(found: Found, count: int) -> None:
    lines = [
        "2026-12-01 00:00:00 us=10000 OpenVPN 2.7.6 x86_64-pc-linux-gnu [SSL (OpenSSL)] [LZO] [LZ4] [EPOLL]",
        "2026-12-01 00:00:00 us=13845 MULTI: multi_init called, r=256 v=256",
        *(
            f"2026-12-01 00:00:{second} us=179283 Packet (P_CONTROL_V1) with invalid or missing SID from "
            "[AF_INET]192.0.2.1:38826 or wrong packet id"
            for second in ("00", "06", "14")[:count]
        ),
        "2026-12-01 00:01:00 us=29755 SIGTERM[hard,] received, process exiting",
    ]
    assert kinds(found("\n".join(lines))) == ([("mtu", "likely")] if count > 2 else [])


def test_a_server_no_longer_knows_a_client_that_it_has_refused(found: Found) -> None:
    """2.7 has the transport before a client's address, and not in its texts."""
    lines = [
        "2026-12-01 00:00:00 us=13845 MULTI: multi_init called, r=256 v=256",
        "2026-12-01 00:00:00 us=279496 udp4:192.0.2.1:40524 VERIFY ERROR: depth=0, error=certificate has expired: CN=x",
        "2026-12-01 00:00:00 us=279596 udp4:192.0.2.1:40524 TLS Error: TLS handshake failed",
        *(
            f"2026-12-01 00:00:{second} us=179283 Packet (P_CONTROL_V1) with invalid or missing SID from "
            "[AF_INET]192.0.2.1:40524 or wrong packet id"
            for second in ("02", "07", "16")
        ),
    ]
    (finding,) = found("\n".join(lines))
    assert (finding.kind, finding.peer) == ("certificate", "192.0.2.1:40524")


def attempts(pause: int) -> str:
    """Four attempts of one host, none of which comes to a certificate."""
    lines = ["2026-12-01 00:00:00 us=1 MULTI: multi_init called, r=256 v=256"]
    for number in range(4):
        at = f"2026-12-01 00:{number * pause // 60:02}:{number * pause % 60:02} us=270485"
        peer = f"192.0.2.1:{34771 + number}"
        lines.append(f"{at} {peer} TLS: Initial packet from [AF_INET]{peer}, sid=b8b85904 213f874{number}")
    for number in range(4):
        at = f"2026-12-01 00:{(number * pause + 60) // 60:02}:{number * pause % 60:02} us=290485"
        lines.append(f"{at} 192.0.2.1:{34771 + number} TLS Error: TLS handshake failed")
    return "\n".join(sorted(lines, key=lambda line: line[:19]))


def test_a_client_that_comes_back_after_seconds_has_refused_something(found: Found) -> None:
    (finding,) = [one for one in found(attempts(5)) if one.kind != "not-enough"]
    assert (finding.kind, finding.certainty, finding.count) == ("certificate", "possible", 3)
    assert "came back after 5 s" in finding.reason
    assert kinds(found(attempts(12))) == [("not-enough", "possible")]


def test_letters_of_packets_that_nobody_takes_up(found: Found) -> None:
    """A server since 2.6 has no instance before its answer was taken up: of a dead way back, it has letters only."""
    lines = (
        "2026-12-01 00:00:00 us=10000 OpenVPN 2.6.14 x86_64-pc-linux-gnu [SSL (OpenSSL)] [LZO] [LZ4] [EPOLL]\n"
        "2026-12-01 00:00:00 us=13845 MULTI: multi_init called, r=256 v=256\n"
        "{letters}2026-12-01 00:01:00 us=23966 Connection Attempt SIGTERM[hard,] received, process exiting\n"
    )
    assert kinds(found(lines.format(letters="WWWWWWWW"))) == [("one-way", "possible")]
    assert kinds(found(lines.format(letters="W"))) == []


def test_a_socket_that_fails_after_each_packet(found: Found) -> None:
    """2.5 does not print the refusal, but at --verb 6 that it read nothing from nobody."""
    lines = ["2026-12-01 00:00:00 us=21047 UDP link remote: [AF_INET]192.0.2.2:1194"]
    for second in ("00", "02", "06"):
        lines += [
            f"2026-12-01 00:00:{second} us=21160 UDP WRITE [14] to [AF_INET]192.0.2.2:1194: "
            "P_CONTROL_HARD_RESET_CLIENT_V2 kid=0 [ ] pid=0 DATA len=0",
            f"2026-12-01 00:00:{second} us=121230 UDP READ [0] from [AF_UNSPEC]: DATA UNDEF len=-1",
        ]
    lines.append("2026-12-01 00:00:45 us=267991 TLS Error: TLS key negotiation failed to occur within 45 seconds")
    assert kinds(found("\n".join(lines))) == [("port-closed", "likely")]
    answered = [line for line in lines if "READ [0]" not in line]
    assert kinds(found("\n".join(answered))) == [("no-reply", "certain")]


def steps(*seconds: float, version: str = "2.3.2", fraction: bool = True) -> str:
    """A client's handshake that completes: the server's first packet, its certificate, and the end of TLS."""
    texts = (
        "UDPv4 link remote: [AF_INET]192.0.2.2:1194",
        "TLS: Initial packet from [AF_INET]192.0.2.2:1194, sid=aae65815 a2fbd338",
        "VERIFY OK: depth=0, CN=server",
        "Control Channel: TLSv1, cipher TLSv1/SSLv3 DHE-RSA-AES256-SHA, 2048 bit RSA",
        "[server] Peer Connection Initiated with [AF_INET]192.0.2.2:1194",
    )
    lines = [f"Tue Dec  1 00:00:00 2026 OpenVPN {version} x86_64-linux-gnu [SSL] [LZO2] [EPOLL]"]
    for second, text in zip((0.0, *seconds, seconds[-1]), texts, strict=True):
        us = f" us={int(second % 1 * 1e6 + 1)}" if fraction else ""
        lines.append(f"Tue Dec  1 00:00:{int(second):02} 2026{us} {text}")
    return "\n".join(lines) + "\n"


def test_steps_of_small_packets_are_measured_by_their_round_trips(found: Found) -> None:
    """5 and 11 round trips take 0.5 and 1.1 s, by satellite 3.5 and 7.7 s; a timer takes 2 s more."""
    assert found(steps(0.1, 0.6, 1.7)) == []
    assert found(steps(0.7, 4.2, 11.9)) == []
    assert kinds(found(steps(0.1, 3.1, 4.2))) == [("stall", "likely")]
    assert kinds(found(steps(2.2, 2.7, 3.8))) == [("stall", "likely")]


def test_whole_seconds_are_no_proof(found: Found) -> None:
    assert found(steps(0.0, 4.0, 11.0, fraction=False)) == []
    assert found(steps(1.0, 1.0, 2.0, fraction=False)) == []
    assert kinds(found(steps(0.0, 0.0, 10.0, fraction=False))) == [("stall", "possible")]


def test_large_packets_fill_no_window(found: Found) -> None:
    assert kinds(found(steps(0.1, 3.1, 4.2, version="2.4.12"))) == [("lossy-link", "likely")]


def test_a_reply_with_options_that_a_timer_held_back(found: Found) -> None:
    """After an idle start all is quick: only the reply is late. A script of the server's may be the reason as well."""
    lines = steps(0.1, 0.2, 0.3, version="2.5.11") + (
        "Tue Dec  1 00:00:01 2026 us=490345 SENT CONTROL [server]: 'PUSH_REQUEST' (status=1)\n"
        "Tue Dec  1 00:00:{:02} 2026 us=590345 PUSH: Received control message: 'PUSH_REPLY,ping 10'\n"
        "Tue Dec  1 00:00:{:02} 2026 us=690345 Initialization Sequence Completed\n"
    )
    assert found(lines.format(1, 1)) == []
    (finding,) = found(lines.format(4, 4))
    assert (finding.kind, finding.certainty) == ("lossy-link", "possible")
    assert "unless the server asked a script or a user" in finding.reason


def test_a_server_that_does_not_answer_requests_for_options(found: Found) -> None:
    """A plugin or script that never decides: the client asks every five seconds."""
    asked = "".join(
        f"2026-12-01 00:00:{second:02} 192.0.2.1:4000 PUSH: Received control message: 'PUSH_REQUEST'\n"
        for second in (1, 6, 11, 16)
    )
    (finding,) = found(asked)
    assert (finding.kind, finding.side, len(finding.evidence)) == ("auth", "server", 4)
    replied = "2026-12-01 00:00:17 b/192.0.2.1:4000 SENT CONTROL [b]: 'PUSH_REPLY,ping 10' (status=1)\n"
    assert found(asked + replied) == []


def test_a_long_way_takes_long_in_all_steps(found: Found) -> None:
    """A second's wait of the client's between two steps, less what it may be, is no measure of the way."""
    lines = (
        "2026-12-01 00:00:00 us=1 OpenVPN 2.4.12 x86_64-pc-linux-gnu [SSL (OpenSSL)] [LZO] [LZ4] [EPOLL]",
        "2026-12-01 00:00:00 us=2 MULTI: multi_init called, r=256 v=256",
        "2026-12-01 00:00:00 us=368843 192.0.2.1:41043 TLS: Initial packet from [AF_INET]192.0.2.1:41043, sid=f9 1",
        "2026-12-01 00:00:01 us=770439 192.0.2.1:41043 VERIFY OK: depth=0, CN=client",
        "2026-12-01 00:00:02 us=471515 192.0.2.1:41043 Control Channel: TLSv1.3, cipher TLSv1.3 TLS_AES_256_GCM_SHA384",
        "2026-12-01 00:00:02 us=471558 192.0.2.1:41043 [client] Peer Connection Initiated with [AF_INET]192.0.2.1:4",
        "2026-12-01 00:00:03 us=664972 client/192.0.2.1:41043 PUSH: Received control message: 'PUSH_REQUEST'",
        "2026-12-01 00:00:03 us=665020 client/192.0.2.1:41043 SENT CONTROL [client]: 'PUSH_REPLY,ping 10' (status=1)",
    )
    assert found("\n".join(lines)) == []

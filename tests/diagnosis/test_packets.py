"""What packets show: --verb 6. Losses, a hole for large ones, a stall, and what is none of these."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from patchkit.diagnosis.diagnose import diagnose
from patchkit.diagnosis.finding import LogFinding
from patchkit.diagnosis.input.files import LogFile

Found = Callable[..., list[LogFinding]]
SERVER = "[AF_INET]192.0.2.2:1194"
FAILED = "TLS Error: TLS key negotiation failed to occur within 45 seconds (check your network connectivity)"


@pytest.fixture
def found(tmp_path: Path) -> Found:
    def run(*lines: str, version: str = "2.4.12") -> list[LogFinding]:
        head = f"2026-12-01 00:00:00 us=1 OpenVPN {version} x86_64-pc-linux-gnu [SSL (OpenSSL)] [LZO] [LZ4] [EPOLL]"
        path = tmp_path / "log"
        path.write_text("\n".join((head, f"2026-12-01 00:00:00 us=2 UDP link remote: {SERVER}", *lines)) + "\n")
        return diagnose([LogFile("log", path)]).findings

    return run


def at(second: float, text: str) -> str:
    return f"2026-12-01 00:00:{int(second):02} us={round(second % 1 * 1e6)} {text}"


def out(second: float, pid: int, size: int = 291, acks: str = "") -> str:
    opcode = "P_CONTROL_V1" if pid else "P_CONTROL_HARD_RESET_CLIENT_V2"
    return at(second, f"UDP WRITE [{size}] to {SERVER}: {opcode} kid=0 [ {acks}] pid={pid} DATA len={size - 14}")


def into(second: float, pid: int, size: int = 291, acks: str = "") -> str:
    opcode = "P_CONTROL_V1" if pid else "P_CONTROL_HARD_RESET_SERVER_V2"
    return at(second, f"UDP READ [{size}] from {SERVER}: {opcode} kid=0 [ {acks}] pid={pid} DATA len={size - 14}")


def ack(second: float, acks: str) -> str:
    return at(second, f"UDP READ [22] from {SERVER}: P_ACK_V1 kid=0 [ {acks}]")


BEGIN = (
    out(0.02, 0, 14),
    into(0.12, 0, 26, "0 "),
    at(0.12, f"TLS: Initial packet from {SERVER}, sid=aae65815 a2fbd338"),
)
END = at(45.6, FAILED)


def kinds(findings: list[LogFinding]) -> list[tuple[str, str]]:
    return [(finding.kind.value, finding.certainty.value) for finding in findings]


def test_packets_that_are_sent_again_and_came_again(found: Found) -> None:
    lines = (out(0.12, 1), out(2.2, 1), into(2.3, 1, 1200, "1 "), into(4.4, 1, 1200, "1 "), out(4.4, 2), out(6.5, 2))
    done = at(6.7, "[server] Peer Connection Initiated with [AF_INET]192.0.2.2:1194")
    assert kinds(found(*BEGIN, *lines, ack(6.6, "2 "), done)) == [("lossy-link", "certain")]
    assert kinds(found(*BEGIN, out(0.12, 1), into(0.22, 1, 1200, "1 "), done.replace(":06 us", ":00 us"))) == []


def test_one_packet_whose_ack_came_with_a_large_one(found: Found) -> None:
    """The ACK of the client's packet goes with a certificate: where that is swallowed, it is sent again."""
    lines = (out(0.12, 1), out(2.2, 1), out(6.2, 1), out(14.6, 1), ack(14.7, "1 "))
    assert kinds(found(*BEGIN, *lines, END)) == [("mtu", "possible")]
    assert kinds(found(*BEGIN, *lines, END, version="2.3.2")) == [("lossy-link", "certain")]


def test_a_large_packet_that_is_never_acknowledged(found: Found) -> None:
    """Of the small ones, one suffices, and it may be that of a reset which a server since 2.6 has sent before."""
    lines = (out(0.12, 1, 1222), out(2.2, 1, 1222), out(6.2, 1, 1222), out(14.6, 1, 1222), into(15.0, 2))
    assert kinds(found(*BEGIN, *lines, END)) == [("mtu", "likely")]
    assert "mtu" not in [kind for kind, _ in kinds(found(*BEGIN, *lines, ack(20.0, "1 "), END))]


def test_a_window_that_waited_for_its_first_packet(found: Found) -> None:
    lines = [
        *BEGIN,
        *(out(0.2, pid, 114) for pid in (1, 2, 3, 4)),
        ack(0.3, "2 3 4 "),
        out(2.3, 1, 114),
        ack(2.4, "1 "),
    ]
    stalled = [*lines, out(2.41, 5, 114), ack(2.5, "5 ")]
    (finding,) = found(*stalled, version="2.3.2")
    assert (finding.kind, finding.certainty) == ("stall", "likely")
    assert "a full window waited 2.2 s for packet 1 alone" in finding.reason
    assert [moment.label for moment in finding.moments if moment.stuck] == ["CONTROL 1", "CONTROL 1"]


def test_the_window_of_the_peer(found: Found) -> None:
    lines = [
        *BEGIN,
        out(0.12, 1, 114),
        *(into(0.3, pid, 114) for pid in (2, 3, 4)),
        into(2.4, 1, 114),
        into(2.41, 5, 114),
    ]
    (finding,) = found(*lines, version="2.3.2")
    assert finding.kind == "stall"
    assert "its window was full" in finding.reason


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_packet_that_the_servers_own_socket_refused_was_not_lost(found: Found, is_refused: bool) -> None:
    """A client that is gone has its port closed, which the socket of all clients tells with the next packet."""
    peer = "192.0.2.9:4000"

    def of(line: str) -> str:
        head, _, message = line.partition(" UDP")
        return f"{head} {peer} UDP{message.replace(SERVER, f'[AF_INET]{peer}')}"

    refused = at(0.2, f"{peer} write UDP: Connection refused (code=111)")
    lines = [
        at(0.01, "MULTI: multi_init called, r=256 v=256"),
        of(into(0.1, 0, 14)).replace("SERVER", "CLIENT"),
        at(0.1, f"{peer} TLS: Initial packet from [AF_INET]{peer}, sid=aae65815 a2fbd338"),
        of(out(0.2, 1, 1188)),
        *([refused] if is_refused else []),
        *(of(out(0.201, pid, 1188)) for pid in (2, 3, 4)),
        of(ack(0.3, "2 3 4 ")),
        of(out(3.2, 1, 1188)),
        of(ack(3.3, "1 ")),
        of(out(3.301, 5, 1188)),
        of(ack(3.4, "5 ")),
        at(45.1, f"{peer} {FAILED}"),
    ]
    assert ("stall" in {kind for kind, _ in kinds(found(*lines))}) is not is_refused

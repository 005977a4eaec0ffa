"""A window that was full, and held something back, by the packets alone."""

from __future__ import annotations

import pytest

from patchkit.diagnosis.reliable import Reliable, packet_of
from patchkit.diagnosis.window import Windows


def stalled_own(*, held_back: bool, is_alone: bool = True) -> Windows:
    """Packets 1 to 4 go out, all but the first are acknowledged, and the first one after three seconds."""
    windows = Windows()
    for pid in (1, 2, 3, 4):
        windows.written(pid, 10.0, 4)
    windows.acknowledged((2, 3, 4), 10.1, is_alone=True)
    windows.written(1, 12.0, 4)
    windows.acknowledged((1,), 13.0, is_alone=is_alone)
    windows.written(5, 13.001 if held_back else 14.0, 4)
    return windows


def test_what_was_held_back_is_sent_at_once() -> None:
    waited = stalled_own(held_back=True).longest
    assert waited is not None
    assert (waited.pid, waited.is_own) == (1, True)
    assert waited.seconds == pytest.approx(3.0)


def test_a_flight_that_fills_the_window_holds_nothing_back() -> None:
    assert stalled_own(held_back=False).longest is None


def test_an_answer_to_a_message_was_not_held_back() -> None:
    """The ACK came with a message: the new packet may be what answers it."""
    assert stalled_own(held_back=True, is_alone=False).longest is None


def test_a_larger_window_was_not_full() -> None:
    windows = Windows()
    for pid in (1, 2, 3, 4):
        windows.written(pid, 10.0, 6)
    windows.acknowledged((1, 2, 3, 4), 13.0, is_alone=True)
    windows.written(5, 13.001, 6)
    assert windows.longest is None


def peer(*, new: float, between: bool = False, window: int = 4) -> Windows:
    """The peer's packets 2 to 4 come, the first one after three seconds, and then a new one."""
    windows = Windows()
    for pid in (2, 3, 4):
        windows.read(pid, 10.0, window)
    windows.read(1, 13.0, window)
    if between:
        windows.written(1, 13.01, 4)
    windows.read(5, new, window)
    return windows


def test_the_peers_window_was_full() -> None:
    waited = peer(new=13.01).longest
    assert waited is not None
    assert (waited.pid, waited.is_own) == (1, False)
    assert waited.seconds == pytest.approx(3.0)


def test_a_new_packet_of_the_peers_that_comes_later_was_not_held_back() -> None:
    assert peer(new=14.0).longest is None


def test_a_new_packet_of_the_peers_may_answer_ours() -> None:
    assert peer(new=13.1, between=True).longest is None


def test_a_gap_of_two_fills_no_window() -> None:
    windows = Windows()
    windows.read(1, 10.0, 4)
    windows.read(2, 10.0, 4)
    windows.read(0, 13.0, 4)
    windows.read(3, 13.01, 4)
    assert windows.longest is None


def test_four_packets_do_not_fill_the_window_of_a_newer_peer() -> None:
    assert peer(new=13.01, window=6).longest is None


def acknowledging(*acks: str) -> Reliable:
    """Packets 1 and 2 go out, and the peer's packets come with ``acks``; so does its first one, late, and a new one."""
    reliable = Reliable()
    lines = [
        (10.0, "UDP WRITE [100] to [AF_INET]192.0.2.1:1194: P_CONTROL_V1 kid=0 [ ] pid=1 DATA len=86"),
        (10.0, "UDP WRITE [100] to [AF_INET]192.0.2.1:1194: P_CONTROL_V1 kid=0 [ ] pid=2 DATA len=86"),
    ]
    arriving = [(10.1, 2), (10.1, 3), (10.1, 4), (13.0, 1), (13.01, 5)]
    for (time, pid), ids in zip(arriving, [*acks, *[""] * (len(arriving) - len(acks))], strict=True):
        head = "UDP READ [100] from [AF_INET]192.0.2.1:1194: P_CONTROL_V1 kid=0"
        lines.append((time, f"{head} [{ids} ] pid={pid} DATA len=86"))
    for time, line in lines:
        packet = packet_of(line)
        assert packet is not None
        reliable.packet(packet, time, 4)
    return reliable


def test_a_peer_that_acknowledges_again_is_a_newer_one() -> None:
    """2.6 and newer repeat what they have acknowledged, and have a window of six."""
    old = acknowledging(" 1", " 2")
    assert (old.repeats_acks, old.windows.longest is not None) == (False, True)
    new = acknowledging(" 1", " 2 1")
    assert (new.repeats_acks, new.windows.longest) == (True, None)


def test_the_line_of_a_message_shows_that_it_waited() -> None:
    """The options are handed to the window, and the lines of packets come when the handshake is over."""
    windows = Windows()
    for pid in (1, 2, 3, 4):
        windows.written(pid, 10.0, 4)
    windows.acknowledged((1, 2, 3, 4), 13.0, is_alone=True)
    windows.said(13.01)
    assert windows.longest is not None

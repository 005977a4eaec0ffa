"""No storm: what a variant promises is held against what was sent."""

from __future__ import annotations

import struct

import pytest

from patchkit.errors import StormError
from patchkit.jobs.lab.finished import Done, refuse_storms
from patchkit.lab.model.campaign import Arm, Program
from patchkit.lab.model.scenario import Flow
from patchkit.lab.model.trial import Sending, Trial
from patchkit.lab.observe.packets import read, traffic
from patchkit.lab.observe.storm_limit import exceeded
from patchkit.lab.report.report import Timing
from patchkit.lab.results.results import results
from patchkit.lab.runner.capture import RECORD, UP_SENT, Capture
from patchkit.patching.combination import combination
from patchkit.patching.variants import Bound
from tests.support.lab.synthetic import campaign, trial

ACK, CONTROL, DATA = 5 << 3, 4 << 3, 9 << 3
BOUND = Bound(copies=5, per_second=10)


def control(session: int, packet_id: int, *acks: int, key_id: int = 0, payload: bytes = b"tls", hmac: int = 0) -> bytes:
    """ssl_pkt.c: opcode and key, session, (HMAC, replay ID), ACKs, their session, packet ID, TLS."""
    other = struct.pack(">Q", 99) if acks else b""
    ids = b"".join(struct.pack(">I", ack) for ack in acks)
    head = bytes([CONTROL | key_id]) + struct.pack(">Q", session) + bytes(range(hmac))
    return head + bytes([len(acks)]) + ids + other + struct.pack(">I", packet_id) + payload


def message(packet: bytes, acks_at: int | None = 9) -> int:
    return Capture(1194, acks_at).message(packet)


def test_a_copy_is_the_same_message_whatever_it_acknowledges() -> None:
    first = message(control(1, 7))
    assert first == message(control(1, 7, 3, 4)) == message(control(1, 7, 3, 4, 5, 6, 7, 8, 9, 10))
    others = {message(control(1, 8)), message(control(2, 7)), message(control(1, 7, key_id=1))}
    assert len(others) == 3
    assert first not in others
    assert message(control(1, 7, 3, hmac=28), 37) == message(control(1, 7, hmac=28), 37) != 0


def test_what_is_no_message() -> None:
    assert message(control(1, 7), None) == 0  # tls-crypt
    assert message(bytes([ACK]) + bytes(30)) == 0
    assert message(bytes([DATA]) + bytes(30)) == 0
    assert message(b"") == message(bytes([CONTROL])) == 0


def sending(*seen: tuple[float, int], opcode: int = CONTROL) -> Sending | None:
    """(s, message)."""
    data = b"".join(RECORD.pack(round(at * 1e9), UP_SENT, opcode, 9, 9, which) for at, which in seen)
    return traffic(read(data), "up", Flow(), until_ns=None, ruled_out=0).sending


def test_how_packets_were_sent() -> None:
    seen = sending((0, 1), (0.2, 2), (1.1, 1), (1.15, 1), (1.19, 3), (4, 4))
    assert seen == Sending(messages=4, copies=3, seconds=4.0, peak=4, peak_messages=3)
    assert sending((0, 1), (1, 1)) == Sending(messages=1, copies=2, seconds=1.0, peak=1, peak_messages=1)
    assert sending() == Sending(messages=0, copies=0, seconds=0.0, peak=0, peak_messages=0)
    assert sending((0, 1), (0.1, 0)) is None
    assert sending((0, 0), opcode=DATA) == sending()


def arm(client: Bound | None, server: Bound | None) -> Arm:
    def program(bound: Bound | None) -> Program:
        return Program(release="2.6.14", variant="x", version="2.6.14", sha256="ab" * 32, bound=bound)

    return Arm(name="2.6.14+x", client=program(client), server=program(server))


def of(packets: int, **fields: float) -> Trial:
    sent = Sending.model_validate({"messages": 6, "copies": 4, "seconds": 2, "peak": 5, "peak_messages": 5, **fields})
    finished = trial("a/b/c", 1, 3.0, control=packets)
    up = finished.traffic["up"].model_copy(update={"sending": sent})
    return finished.model_copy(update={"traffic": {**finished.traffic, "up": up}})


def test_the_bound_itself_is_allowed_and_no_packet_more() -> None:
    assert exceeded(arm(BOUND, None), of(50), 1) == []
    (fault,) = exceeded(arm(BOUND, None), of(51), 1)
    assert "the client sent 51 control packets, 6 of them different, within 2 s: more than 50" in fault
    assert exceeded(arm(None, BOUND), of(51), 1) == []
    assert exceeded(arm(None, None), of(5000), 1) == []
    assert exceeded(arm(BOUND, None), of(70), 2) == []
    assert exceeded(arm(BOUND, None), of(71), 2)


def test_a_short_storm_does_not_hide_in_a_long_handshake() -> None:
    assert exceeded(arm(BOUND, None), of(60, seconds=50, peak=35), 1) == []
    (fault,) = exceeded(arm(BOUND, None), of(60, seconds=50, peak=36), 1)
    assert "within 1 s" in fault


def test_a_campaign_with_a_storm_is_refused() -> None:
    this = campaign(trials=1)
    promising = [campaign_arm.model_copy(update={"client": arm(BOUND, None).client}) for campaign_arm in this.arms]
    this = this.model_copy(update={"arms": promising})
    calm = [trial(cell.id, 1, 2.0) for cell in this.cells]
    wild = [*calm[:1], of(5000).model_copy(update={"cell": this.cells[1].id})]
    timing = Timing(guest_seconds=1, wall_seconds=1, jobs=1)
    refuse_storms(Done(this, calm, results(this, calm), timing))
    with pytest.raises(StormError, match=r"trial 1 of 2\.6\.14\+retransmit/loss-20") as caught:
        refuse_storms(Done(this, wild, results(this, wild), timing))
    assert "patchkit lab replay" in str(caught.value.advice)


def test_who_promises_what() -> None:
    assert combination("recommended").bound == Bound(copies=6, per_second=29)
    assert combination("handshake+early").bound == combination("early").bound
    assert combination("stock").bound is combination("retransmit").bound is combination("handshake").bound is None

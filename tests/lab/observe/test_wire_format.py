"""The wire format doesn't change: captures of stock and patched differ in timing and number of packets only.

A variant's patch can't be seen on the wire but for three things: when packets are sent and how often; with
``recommended`` up to 2.5, that an ACK record names more of the IDs that have arrived; and the version that a
program tells its peer, which the lab's builds mark.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.jobs.lab.binaries import programs as built
from patchkit.jobs.lab.links import ready
from patchkit.lab.guest.image import Guest
from patchkit.lab.link.binaries import BinaryRequest
from patchkit.lab.link.runner_order import Turn, order
from patchkit.lab.model.scenario import built_in
from patchkit.lab.observe.pcap import pcap
from patchkit.source.obtain import SourceRequest
from patchkit.ui import Ui
from tests.conftest import PINNED
from tests.support.settings import ON_HOST
from tests.support.wire import ControlPacket, Message, control_packets

pytestmark = pytest.mark.slow
HISTORY = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards
VARIANTS = ("early", "recommended")
SCENARIOS = ("clean", "loss-20")
SEEDS = (1, 2, 3)
MOST = {True: 4, False: 8}
"""ACKs in one packet, by whether it carries a message: what reliable_ack_write's callers ask for, in all series."""
PUSH_REQUEST = len("PUSH_REQUEST\0") + 22
"""Bytes of a client's request that comes alone; a record of TLS 1.3 adds 22: RFC 8446, section 5.2."""

Captured = Callable[[str, str], list[ControlPacket]]
"""The packets of all trials of a variant over a scenario."""


@pytest.fixture(scope="module", params=[PINNED, "2.5.11"])
def captured(request: pytest.FixtureRequest, the_guest: Guest, shared_cache: Cache) -> Captured:
    release = str(request.param)
    if release != PINNED and not HISTORY:
        pytest.skip("PATCHKIT_GIT is not set to a full clone of upstream")
    ui = Ui(quiet=True)
    sides = {variant: BinaryRequest(release, variant) for variant in ("stock", *VARIANTS)}
    source = SourceRequest(git=None if release == PINNED else HISTORY)
    binaries = built(list(sides.values()), source, ON_HOST, Context(shared_cache, ui))
    link = ready("uml", Context(shared_cache, ui, offline=False))
    seen: dict[tuple[str, str], list[ControlPacket]] = {}
    for variant, side in sides.items():
        program = binaries[side]
        link.prepare(program, program, "leaf-rsa2048")
        for name in SCENARIOS:
            scenario = built_in()[name]
            turns = [Turn(seed, keep_frames=True) for seed in SEEDS]
            runner_order = order(scenario, program.version, program.version, turns)
            ran = link.run(program, program, "leaf-rsa2048", runner_order, scenario)
            assert [output.outcome["outcome"] for output in ran] == ["completed"] * len(SEEDS)
            seen[variant, name] = [packet for output in ran for packet in control_packets(pcap(output.parts["frames"]))]
    return lambda variant, scenario: seen[variant, scenario]


def messages(packets: Sequence[ControlPacket]) -> dict[Message, set[int]]:
    """How many bytes of TLS each message had."""
    lengths: dict[Message, set[int]] = defaultdict(set)
    for packet in packets:
        if packet.packet_id is not None:
            lengths[packet.message].add(packet.length)
    return lengths


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_messages_whatever_is_lost(captured: Captured, variant: str, scenario: str) -> None:
    """Opcodes, keys, IDs and lengths are stock's. From the client, one message is longer: it tells the version. The
    longer a handshake takes, the more often a client asks for its options, and is answered."""
    stock, patched = (messages(captured(name, scenario)) for name in ("stock", variant))
    clean = messages(captured("stock", "clean"))
    assert clean.keys() <= stock.keys() & patched.keys()
    known = {(key[0], key[1], length) for key, lengths in clean.items() for length in lengths}
    known.add(("up", "P_CONTROL_V1", PUSH_REQUEST))
    for lengths_seen in (stock, patched):
        again = {(key[0], key[1], length) for key in lengths_seen.keys() - clean.keys() for length in lengths_seen[key]}
        assert again <= known
    different = {key for key in stock.keys() & patched.keys() if stock[key] != patched[key]}
    suffix_length = len(f"+{variant}")
    assert all({length + suffix_length for length in stock[key]} == patched[key] for key in different), different
    assert {key[0] for key in different} <= {"up"}
    assert len(different) <= 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_clean_link_carries_the_same_packets_in_the_same_order(captured: Captured, variant: str) -> None:
    stock, patched = (captured(name, "clean") for name in ("stock", variant))
    for direction in ("up", "down"):
        orders = [[packet.message for packet in seen if packet.direction == direction] for seen in (stock, patched)]
        assert orders[0] == orders[1]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("variant", ["stock", *VARIANTS])
def test_what_is_acknowledged_has_arrived_and_is_no_more_than_peers_take(
    captured: Captured, variant: str, scenario: str
) -> None:
    packets = captured(variant, scenario)
    sent = {(packet.direction, packet.packet_id) for packet in packets if packet.packet_id is not None}
    sessions = {packet.session for packet in packets}
    for packet in packets:
        other = "down" if packet.direction == "up" else "up"
        assert len(packet.acks) <= MOST[packet.packet_id is not None]
        assert len(set(packet.acks)) == len(packet.acks)
        assert all((other, ack) in sent for ack in packet.acks)
        assert packet.acks_session in sessions | {b""}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_packet_that_is_sent_again_says_the_same(captured: Captured, variant: str) -> None:
    copies: dict[tuple[bytes, Message], set[bytes]] = defaultdict(set)
    for packet in captured(variant, "loss-20"):
        if packet.packet_id is not None:
            # A capture keeps less where there are more ACKs.
            copies[packet.session, packet.message].add(packet.begin[:100])
    assert copies
    assert all(len(begins) == 1 for begins in copies.values())

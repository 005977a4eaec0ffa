"""Peers that follow no rules, at the level of reliable.c: no ASSERT, no growth, no loop without end, and a bound on
what they can make a client send. The sanitizers watch, memory that leaks is found when the drivers end."""

from __future__ import annotations

import pytest

from patchkit.patching.variants import variant as variant_of
from tests.reliable.bounds import STORMS, most
from tests.reliable.conftest import DriverOf
from tests.reliable.harness import Run, ViolationError, is_upstreams_overflow

pytestmark = pytest.mark.slow

PEERS = {"silent": 1, "twice": 2, "future": 3, "reverse": 4, "flood": 5}
COMPLETING = {"twice", "future", "reverse"}
SEEDS = 50
FLIGHT = 25
WINDOW = 60
"""How long a handshake may take, s: --hand-window."""
UNANSWERED = {"recommended": 11, "early": 31}
"""Copies of the first packet within that time, of variants with timers of their own."""


def met(driver_of: DriverOf, version: str, variant: str, peer: str) -> list[Run] | None:
    """None where upstream's own overflow ended it."""
    line = f"peer={PEERS[peer]} flights={FLIGHT} delay=20 jitter=10 runs={SEEDS}"
    if peer not in COMPLETING:
        line += f" limit={WINDOW * 1000}"
    try:
        return driver_of(version, variant).run(line)
    except ViolationError as error:
        if is_upstreams_overflow(error, version, variant):
            return None
        raise


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_that_follows_no_rules(version: str, variant: str, peer: str, driver_of: DriverOf) -> None:
    if variant_of(variant).status == "known-bad":
        pytest.skip("test_any_link shows what is wrong with it")
    bound = variant_of(variant).bound
    runs = met(driver_of, version, variant, peer)
    if runs is None:
        assert peer in ("future", "flood"), "ACKs for later packets are what upstream counts"
        return
    assert len(runs) == SEEDS
    for run in runs:
        assert not run.storm or variant in STORMS
        assert run.finished == (peer in COMPLETING) or run.storm
        # Each packet that comes in is worth one pass and what it answers at once; timers add a few a second.
        assert bound is None or run.data <= most(bound, run, ends=1)
        assert run.passes <= 40 * (run.peer + 2) + 8 * max(WINDOW, run.ms // 1000)


def test_silence_costs_no_more_than_a_window_a_second(version: str, variant: str, driver_of: DriverOf) -> None:
    """And a packet that is not acknowledged goes on being sent."""
    if variant in STORMS or variant_of(variant).status == "known-bad":
        pytest.skip("it never claimed that")
    runs = met(driver_of, version, variant, "silent")
    assert runs is not None
    for run in runs:
        assert 8 <= run.data <= 6 * WINDOW
        assert run.gap > 0


def test_who_is_not_answered_sends_the_first_packet_again(version: str, variant: str, driver_of: DriverOf) -> None:
    """Nothing ever comes back, not even the answer to the reset: what that costs is in docs/variants.md."""
    if variant_of(variant).status == "known-bad":
        pytest.skip("test_any_link shows what is wrong with it")
    (run,) = driver_of(version, variant).run(f"flights=25 loss=1000 peer={PEERS['silent']} limit={WINDOW * 1000}")
    assert not run.finished
    assert 4 <= run.data <= UNANSWERED.get(variant, 4 * WINDOW)
    assert run.peer == 0

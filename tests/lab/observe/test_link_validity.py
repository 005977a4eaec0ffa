"""A link that does what it is told is not found at fault, and one that does not is."""

from __future__ import annotations

import random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchkit.lab.model.scenario import Burst, Flow, Scenario, built_in
from patchkit.lab.model.trial import Direction, Traffic
from patchkit.lab.observe.link_validity import faults

OFTEN = settings(max_examples=150, deadline=None, derandomize=True)


def carried(
    sent: int = 100, dropped: int = 0, *, doubled: int = 0, reordered: int = 0, ruled_out: int = 0, delay: float = 50.0
) -> Traffic:
    return Traffic(
        sent=sent, delivered=sent - dropped + doubled, dropped=dropped, duplicated=doubled, reordered=reordered,
        ruled_out=ruled_out, delay_ms=delay if dropped < sent else None, opcodes={}, control_bytes=0, sending=None,
    )  # fmt: skip


def found(flow: Flow, up: Traffic, lost: int = 0) -> list[str]:
    """What is at fault with the way up, while the way down carries nothing."""
    empty = carried(0)
    traffic: dict[Direction, Traffic] = {"up": up, "down": empty}
    return faults(Scenario(summary="a test", up=flow), traffic, lost)


def netem(flow: Flow, count: int, seed: int) -> Traffic:
    """sch_netem.c's netem_enqueue: doubled, then lost, and the second one may be lost as well."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    bad = False

    def lost() -> bool:
        nonlocal bad
        if flow.burst is None:
            return chance.random() * 100 < flow.loss
        was, step = bad, flow.burst.to_good if bad else flow.burst.to_bad
        bad = bad != (chance.random() * 100 < step)
        return chance.random() * 100 < (flow.burst.loss_in_bad if was else flow.burst.loss_in_good)

    def delay() -> float:
        if flow.reorder and chance.random() * 100 < flow.reorder:
            return 0.0
        jitter = chance.gauss(0, 1) if flow.distribution == "normal" else chance.uniform(-1, 1)
        return max(0.0, flow.delay_ms + jitter * flow.jitter_ms)

    dropped = doubled = 0
    delays = []
    for _ in range(count):
        copies = 1 + (chance.random() * 100 < flow.duplicate) - lost()
        if copies == 2:
            copies -= lost()
            doubled += copies == 2
        dropped += copies == 0
        delays += [delay() for _ in range(copies)]
    return carried(count, dropped, doubled=doubled, delay=median(delays) if delays else 0)


@pytest.mark.parametrize(
    ("flow", "traffic", "fault"),
    [
        (Flow(delay_ms=50, loss=20), carried(200, 0), "0 of 200 packets lost, 20.0% asked for"),
        (Flow(delay_ms=50, loss=20), carried(200, 100), "100 of 200 packets lost"),
        (Flow(delay_ms=50), carried(30, 1), "1 of 30 packets lost, 0.0% asked for"),
        (Flow(loss=100), carried(30, 29, delay=0), "29 of 30 packets lost, 100.0% asked for"),
        (Flow(delay_ms=50), carried(ruled_out=3, dropped=9), "6 of 97 packets lost"),
        (Flow(delay_ms=50), carried(doubled=1), "1 of 100 packets doubled, 0.0% asked for"),
        (Flow(delay_ms=50, duplicate=20), carried(), "0 of 100 packets doubled, 20.0% asked for"),
        (Flow(delay_ms=50), carried(reordered=1), "1 packets overtaken, none asked for"),
        (Flow(delay_ms=50), carried(delay=52), "median delay 52.0 ms, 50 ms asked for"),
        (Flow(delay_ms=50), carried(delay=48), "median delay 48.0 ms"),
        (Flow(delay_ms=50, jitter_ms=5), carried(delay=57), "median delay 57.0 ms"),
        (Flow(delay_ms=50, reorder=25), carried(delay=0), "median delay 0.0 ms"),
        (Flow(delay_ms=50, reorder=60), carried(delay=60), "median delay 60.0 ms"),
        (Flow(delay_ms=50, rate_kbit=128), carried(delay=20), "median delay 20.0 ms"),
        (Flow(delay_ms=50, rate_kbit=128, loss=50), carried(100, 10), "10 of 100 packets lost"),
        (Flow(delay_ms=50, burst=Burst(to_bad=2.5, to_good=10)), carried(9000, 0), "0 of 9000 packets lost"),
        (Flow(delay_ms=50, rate_kbit=128, duplicate=10), carried(doubled=60), "60 of 100 packets doubled"),
    ],
)
def test_faults(flow: Flow, traffic: Traffic, fault: str) -> None:
    link_faults = found(flow, traffic)
    assert len(link_faults) == 1
    assert link_faults[0].startswith(f"up: {fault}")


@pytest.mark.parametrize(
    ("flow", "traffic"),
    [
        (Flow(delay_ms=50), carried()),
        (Flow(delay_ms=50, loss=20), carried(100, 25)),
        (Flow(delay_ms=50, loss=20), carried(0)),
        (Flow(loss=100), carried(5, 5)),
        (Flow(delay_ms=50), carried(ruled_out=3, dropped=3)),
        (Flow(delay_ms=50), carried(3, 3, ruled_out=4)),  # one was ruled out at the very end
        (Flow(delay_ms=50, loss=20), carried(20, 2, ruled_out=5)),
        (Flow(delay_ms=50, jitter_ms=20), carried(reordered=40, doubled=2)),
        (Flow(delay_ms=50, reorder=25), carried(reordered=25)),
        (Flow(delay_ms=50, reorder=60), carried(delay=0, reordered=60)),
        (Flow(delay_ms=50, reorder=40), carried(11, delay=0, reordered=4)),  # six of eleven were lucky
        (Flow(delay_ms=50, jitter_ms=20, distribution="normal"), carried(2, delay=85)),
        (Flow(delay_ms=1200), carried(delay=1220)),
        (Flow(delay_ms=50, rate_kbit=128, loss=5, queue=50), carried(200, 120, delay=4000)),
        (Flow(delay_ms=50, rate_kbit=128, duplicate=50, queue=50), carried(200, 150, doubled=1, delay=4000)),
    ],
)
def test_no_faults(flow: Flow, traffic: Traffic) -> None:
    assert found(flow, traffic) == []


def test_both_directions_are_looked_at_and_what_could_not_be_counted() -> None:
    scenario = Scenario(summary="a test", both=Flow(delay_ms=50))  # type: ignore[call-arg]
    wrong: dict[Direction, Traffic] = {"up": carried(dropped=3), "down": carried(reordered=2)}
    link_faults = faults(scenario, wrong, 7)
    assert link_faults == [
        "7 packets came faster than they could be counted",
        "up: 3 of 100 packets lost, 0.0% asked for",
        "down: 2 packets overtaken, none asked for",
    ]


@OFTEN
@given(loss=st.floats(0, 100), count=st.integers(0, 3000), seed=st.integers(0, 1 << 32))
def test_losses_at_the_asked_rate_are_no_fault(loss: float, count: int, seed: int) -> None:
    flow = Flow(delay_ms=50, loss=loss)
    assert found(flow, netem(flow, count, seed)) == []


@settings(OFTEN, max_examples=60)
@given(
    loss=st.floats(0, 90), duplicate=st.floats(0, 100), reorder=st.floats(0, 100), count=st.integers(0, 2000),
    seed=st.integers(0, 1 << 32),
)  # fmt: skip
def test_nor_are_losses_among_doubled_packets(
    loss: float, duplicate: float, reorder: float, count: int, seed: int
) -> None:
    flow = Flow(delay_ms=50, loss=loss, duplicate=duplicate, reorder=reorder)
    link_faults = [fault for fault in found(flow, netem(flow, count, seed)) if "overtaken" not in fault]
    assert link_faults == []


@settings(OFTEN, max_examples=60)
@given(to_bad=st.floats(0.2, 20), to_good=st.floats(1, 100), count=st.integers(0, 1500), seed=st.integers(0, 1 << 32))
def test_nor_are_long_bursts(to_bad: float, to_good: float, count: int, seed: int) -> None:
    flow = Flow(delay_ms=50, burst=Burst(to_bad=to_bad, to_good=to_good))
    assert found(flow, netem(flow, count, seed)) == []


@pytest.mark.parametrize("name", [name for name, candidate in built_in().items() if candidate.up.rate_kbit is None])
def test_the_built_in_links_are_not_at_fault(name: str) -> None:
    flow = built_in()[name].up
    for seed in range(60):
        link_faults = [fault for fault in found(flow, netem(flow, 5 + seed, seed)) if "overtaken" not in fault]
        assert link_faults == [], (name, seed)

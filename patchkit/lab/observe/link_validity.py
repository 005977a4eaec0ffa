"""Compare what the link did with its scenario. A trial on a link that did something else is void: not counted."""

from __future__ import annotations

from collections.abc import Mapping

from patchkit.lab.model.scenario import Burst, Flow, Scenario
from patchkit.lab.model.trial import DIRECTIONS, Direction, Traffic

# So that, of a million trials on a link that works, one is void by mistake.
_UNLIKELY = 1e-6
_DELAY_SHARE, _DELAY_LEAST = 0.02, 1.0  # of the delay, and ms


def faults(scenario: Scenario, traffic: Mapping[Direction, Traffic], capture_lost: int) -> list[str]:
    """List the differences between ``traffic`` and ``scenario``; ``capture_lost`` packets were not captured."""
    differences = [f"{capture_lost} packets came faster than they could be counted"] if capture_lost else []
    for direction in DIRECTIONS:
        differences += [f"{direction}: {fault}" for fault in _faults(scenario.flow(direction), traffic[direction])]
    return differences


def _faults(flow: Flow, carried: Traffic) -> list[str]:
    differences = []
    by_chance = carried.dropped - carried.ruled_out
    met_chance = carried.sent - carried.ruled_out
    lost, doubled = _expected(flow)
    # Where there is a rate, a full queue drops as well: less than asked is a fault, more is the scenario's nature.
    if _unlikely(by_chance, met_chance, lost, flow.burst, one_sided=bool(flow.rate_kbit)):
        differences.append(f"{by_chance} of {met_chance} packets lost, {lost:.1%} asked for")
    arrived = carried.sent - carried.dropped
    fewer_by_nature = flow.rate_kbit and carried.duplicated < doubled * arrived
    if not (flow.jitter_ms or fewer_by_nature) and _unlikely(carried.duplicated, arrived, doubled, flow.burst):
        differences.append(f"{carried.duplicated} of {arrived} packets doubled, {doubled:.1%} asked for")
    if carried.reordered and not (flow.jitter_ms or flow.reorder):
        differences.append(f"{carried.reordered} packets overtaken, none asked for")
    if carried.delay_ms is not None and _wrong_delay(flow, carried.delay_ms, carried.delivered):
        differences.append(f"median delay {carried.delay_ms:.1f} ms, {flow.delay_ms:g} ms asked for")
    return differences


def _expected(flow: Flow) -> tuple[float, float]:
    """Compute which share of all packets of ``flow`` is lost, and which share of those that arrive comes twice.

    netem doubles a packet before it loses it, and may lose the second one as well: netem_enqueue in sch_netem.c.
    """
    loss, twice = flow.expected_loss, flow.duplicate / 100
    lost = loss * (1 - twice)
    return lost, twice * (1 - loss) ** 2 / (1 - lost) if lost < 1 else 0.0


def _wrong_delay(flow: Flow, median: float, of: int) -> bool:
    from scipy.stats import binom

    # A median of few packets varies more: its standard deviation is theirs, times 1.25 / sqrt(n).
    spread = 1.0 if flow.distribution == "uniform" else max(1.0, 6.2 / max(of, 1) ** 0.5)
    allowed = max(_DELAY_LEAST, _DELAY_SHARE * flow.delay_ms) + spread * flow.jitter_ms
    late = median - flow.delay_ms
    if late < -allowed:  # half of them may have skipped it
        return not flow.reorder or bool(binom.sf(of // 2 - 1, of, flow.reorder / 100) < _UNLIKELY)
    return late > allowed and not flow.rate_kbit


def _unlikely(count: int, of: int, expected: float, burst: Burst | None, *, one_sided: bool = False) -> bool:
    from scipy.stats import binomtest

    if of <= 0 or (one_sided and count >= expected * of):
        return False
    if burst is not None:
        # Losses come in bursts, so fewer of them are independent: by the length of the states' memory.
        memory = 1 - (burst.to_bad + burst.to_good) / 100
        length = max(8, round((1 + memory) / (1 - memory)))
        count, of = count // length, max(of // length, 1)
    return bool(binomtest(min(max(count, 0), of), of, expected).pvalue < _UNLIKELY)

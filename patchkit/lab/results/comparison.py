"""An arm against the first one: pairs of trials that had the same seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from pydantic import Field

from patchkit.json_schema import Part
from patchkit.lab.model.campaign import Cell
from patchkit.lab.model.trial import Trial
from patchkit.lab.results import verdict
from patchkit.lab.results.figures import Estimate, Figure, estimate
from patchkit.lab.results.verdict import Claim, Cost, Effect, Findings
from patchkit.lab.statistics.intervals import (
    ALPHA,
    Interval,
    mcnemar,
    mean_interval,
    p99,
    rate_difference,
    ratio_of_means,
    ratio_of_p99,
    sign_flip,
)  # fmt: skip
from patchkit.lab.statistics.power import detectable_mean, detectable_rate
from patchkit.lab.statistics.restricted_time import counted, restricted


class Comparison(Part):
    """An arm against the first one: the same scenario and credentials, trials of the same number as pairs."""

    cell: str = Field(description="this arm's cell")
    first: str = Field(description="the first arm's cell")
    arm: str = Field(description="this arm's name")
    scenario: str = Field(description="its key in the campaign's scenarios")
    credentials: str = Field(description="the profile that both sides' certificates come from")
    pairs: int = Field(description="pairs of trials of which neither is void; both had the same seeds")
    both: int = Field(description="pairs in which both arms completed; of soaks, in which the tunnel held")
    only_this: int = Field(description="pairs in which only this arm completed")
    only_first: int = Field(description="pairs in which only the first arm completed")
    neither: int = Field(description="pairs in which neither arm completed")
    rate_difference: Estimate | None = Field(
        description="this arm's rate of completion less the first one's (Newcombe's method 10 of 1998)"
    )
    rate_p: Figure | None = Field(description="p-value of McNemar's exact test; null without pairs")
    rate_p_adjusted: Figure | None = Field(description="after Holm, for all p-values of the report")
    time_difference: Estimate | None = Field(
        description="seconds, this arm's restricted time less the first one's, mean of the pairs (as restricted_mean)"
    )
    time_p: Figure | None = Field(description="p-value of exchanging the two sides of pairs at random; null as above")
    time_p_adjusted: Figure | None = Field(description="after Holm, for all p-values of the report")
    packets_ratio: Estimate | None = Field(
        description="this arm's mean control packets / the first one's (BCa bootstrap of pairs; no interval for fewer "
        "than 9); null when the first arm sent none"
    )
    packets_p: Figure | None = Field(description="p-value of exchanging the two sides of pairs at random")
    packets_p_adjusted: Figure | None = Field(description="after Holm, for all p-values of the report")
    packets_p99_ratio: Estimate | None = Field(
        description="the same of the 99th percentiles (percentile bootstrap of pairs); null for fewer than 368 pairs, "
        "which can't tell what it is"
    )
    server_cpu_ratio: Estimate | None = Field(
        description="for crowds only: this arm's mean CPU seconds of the server / the first one's (BCa bootstrap of "
        "pairs; no interval for fewer than 9)"
    )
    time_deviation: Figure | None = Field(
        description="standard deviation of the pairs' differences in restricted time, in seconds; null for one pair"
    )
    detectable_rate: Figure | None = Field(
        description="smallest difference in rates that so many pairs show in 4 of 5 campaigns, at the strictest level "
        "that Holm may ask for, if no pair goes the other way; null for too few pairs"
    )
    detectable_seconds: Figure | None = Field(
        description="smallest difference in restricted mean, likewise, given time_deviation; null where that is 0"
    )
    completion: Claim = Field(description="better or worse only if rate_p_adjusted < 0.05 and the interval excludes 0")
    time: Claim = Field(description="likewise, by time_difference and time_p_adjusted; better is faster")
    packets: Cost = Field(description="likewise, by packets_ratio and packets_p_adjusted; the interval excludes 1")
    headline: str = Field(description="who, against whom, where, and in a few words what became of it")
    verdict: str = Field(description="the headline, what it rests on, and what so many pairs would have shown")


@dataclass(frozen=True)
class Pairs:
    """Two cells' trials, paired by their numbers; pairs with a void trial or without a partner are left out."""

    this: Cell
    first: Cell
    trials: Sequence[tuple[Trial, Trial]]
    """Of this arm and of the first one."""
    limit: float

    def table(self, this: bool, first: bool) -> int:
        """How many pairs there are in which they completed, or did not."""
        return sum((one.succeeded, other.succeeded) == (this, first) for one, other in self.trials)

    @cached_property
    def seconds(self) -> list[float]:
        """Differences in restricted time: this arm's less the first one's."""
        return [restricted(one, self.limit) - restricted(other, self.limit) for one, other in self.trials]

    @cached_property
    def packets(self) -> tuple[list[int], list[int]]:
        """Control packets of this arm and of the first one."""
        return (
            [one.control_packets for one, _ in self.trials],
            [other.control_packets for _, other in self.trials],
        )

    @cached_property
    def pvalues(self) -> list[float]:
        """Of completion, time and packets; none without pairs."""
        if not self.trials:
            return []
        return [
            mcnemar(self.table(False, True), self.table(True, False)),
            sign_flip(self.seconds),
            sign_flip([one - other for one, other in zip(*self.packets, strict=True)]),
        ]


def pairs(this: Cell, first: Cell, trials: Sequence[Trial], firsts: Sequence[Trial], limit: float) -> Pairs:
    """The trials of the same number that both count."""
    partners = {trial.trial: trial for trial in counted(firsts)}
    matched = [(trial, partners[trial.trial]) for trial in counted(trials) if trial.trial in partners]
    return Pairs(this, first, matched, limit)


def comparison(found: Pairs, adjusted: Sequence[float], tests: int, asked: int) -> Comparison:
    """What they show. ``adjusted``: their p-values after Holm for that many tests; ``asked``: the pairs hoped for."""
    n = len(found.trials)
    rate_p, time_p, packets_p = found.pvalues or (None, None, None)
    rate_adjusted, time_adjusted, packets_adjusted = adjusted or (None, None, None)
    rate, seconds, packets = _rate(found), _time(found), _packets(found)
    deviation = stdev(found.seconds) if n > 1 else None
    level = ALPHA / max(tests, 1)  # the strictest that Holm may ask for
    findings = Findings(
        arm=found.this.arm,
        first=found.first.arm,
        where=f"{found.this.scenario}, {found.this.credentials}",
        soak=any(trial.soak is not None for pair in found.trials for trial in pair),
        pairs=n,
        asked=asked,
        rate=_effect(rate, rate_adjusted),
        time=_effect(seconds, time_adjusted),
        packets=_effect(packets, packets_adjusted, neutral=1.0),
        detectable_rate=detectable_rate(n, level),
        detectable_seconds=detectable_mean(n, deviation, level) if deviation else None,
    )
    return Comparison(
        cell=found.this.id,
        first=found.first.id,
        arm=found.this.arm,
        scenario=found.this.scenario,
        credentials=found.this.credentials,
        pairs=n,
        both=found.table(True, True),
        only_this=found.table(True, False),
        only_first=found.table(False, True),
        neither=found.table(False, False),
        rate_difference=rate,
        rate_p=rate_p,
        rate_p_adjusted=rate_adjusted,
        time_difference=seconds,
        time_p=time_p,
        time_p_adjusted=time_adjusted,
        packets_ratio=packets,
        packets_p=packets_p,
        packets_p_adjusted=packets_adjusted,
        packets_p99_ratio=_tail(found),
        server_cpu_ratio=_server_cpu(found),
        time_deviation=deviation,
        detectable_rate=findings.detectable_rate,
        detectable_seconds=findings.detectable_seconds,
        completion=verdict.completion(findings.rate),
        time=verdict.time(findings.time),
        packets=verdict.cost(findings.packets),
        headline=verdict.headline(findings),
        verdict=verdict.line(findings),
    )


def _rate(found: Pairs) -> Estimate | None:
    if not found.trials:
        return None
    only_this, only_first = found.table(True, False), found.table(False, True)
    interval = rate_difference(found.table(True, True), only_first, only_this, found.table(False, False))
    return estimate((only_this - only_first) / len(found.trials), interval)


def _time(found: Pairs) -> Estimate | None:
    return estimate(fmean(found.seconds), mean_interval(found.seconds)) if found.trials else None


def _packets(found: Pairs) -> Estimate | None:
    this, first = found.packets
    return estimate(sum(this) / sum(first), ratio_of_means(first, this)) if sum(first) else None


def _server_cpu(found: Pairs) -> Estimate | None:
    used = [(one.cpu["server"], other.cpu["server"]) for one, other in found.trials if one.crowd and other.crowd]
    this, first = [one for one, _ in used], [other for _, other in used]
    return estimate(sum(this) / sum(first), ratio_of_means(first, this)) if sum(first) else None


def _tail(found: Pairs) -> Estimate | None:
    this, first = found.packets
    interval = ratio_of_p99(first, this)
    return estimate(p99(this) / p99(first), interval) if interval else None


def _effect(found: Estimate | None, adjusted: float | None, neutral: float = 0.0) -> Effect | None:
    if found is None or adjusted is None:
        return None
    interval = None if found.low is None or found.high is None else Interval(found.low, found.high)
    return Effect(found.value, interval, adjusted, neutral)

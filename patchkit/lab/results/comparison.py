"""Compare an arm with the first one, by pairs of trials that had the same seeds."""

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
from patchkit.lab.results.verdict import Claim, Cost, Effect, Measured
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
    """An arm against the first one, over the same scenario with the same credentials, by pairs of trials."""

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
        "which cannot show it"
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
        """Count the pairs in which this arm succeeded if ``this``, and the first one if ``first``."""
        return sum((of_this.succeeded, of_first.succeeded) == (this, first) for of_this, of_first in self.trials)

    @cached_property
    def seconds(self) -> list[float]:
        """Differences in restricted time: this arm's less the first one's."""
        return [restricted(this, self.limit) - restricted(first, self.limit) for this, first in self.trials]

    @cached_property
    def packets(self) -> tuple[list[int], list[int]]:
        """Control packets of this arm and of the first one."""
        return (
            [this.control_packets for this, _ in self.trials],
            [first.control_packets for _, first in self.trials],
        )

    @cached_property
    def pvalues(self) -> list[float]:
        """The p-values of completion, time and packets; none without pairs."""
        if not self.trials:
            return []
        return [
            mcnemar(self.table(False, True), self.table(True, False)),
            sign_flip(self.seconds),
            sign_flip([this - first for this, first in zip(*self.packets, strict=True)]),
        ]


def paired(this: Cell, first: Cell, trials: Sequence[Trial], firsts: Sequence[Trial], limit: float) -> Pairs:
    """Pair the ``trials`` of ``this`` with the ``firsts`` of ``first`` that have the same number, if both count."""
    partners = {trial.trial: trial for trial in counted(firsts)}
    matched = [(trial, partners[trial.trial]) for trial in counted(trials) if trial.trial in partners]
    return Pairs(this, first, matched, limit)


def comparison(pairs: Pairs, adjusted: Sequence[float], tests: int, asked: int) -> Comparison:
    """Compare the two cells of ``pairs``, of which ``asked`` were asked for.

    ``adjusted`` are their p-values after Holm for all ``tests`` of the report.
    """
    n = len(pairs.trials)
    rate_p, time_p, packets_p = pairs.pvalues or (None, None, None)
    rate_adjusted, time_adjusted, packets_adjusted = adjusted or (None, None, None)
    rate, seconds, packets = _rate(pairs), _time(pairs), _packets(pairs)
    deviation = stdev(pairs.seconds) if n > 1 else None
    level = ALPHA / max(tests, 1)  # the strictest that Holm may need
    evidence = Measured(
        arm=pairs.this.arm,
        first=pairs.first.arm,
        where=f"{pairs.this.scenario}, {pairs.this.credentials}",
        soak=any(trial.soak is not None for pair in pairs.trials for trial in pair),
        pairs=n,
        pairs_asked=asked,
        rate=_effect(rate, rate_adjusted),
        time=_effect(seconds, time_adjusted),
        packets=_effect(packets, packets_adjusted, neutral=1.0),
        detectable_rate=detectable_rate(n, level),
        detectable_seconds=detectable_mean(n, deviation, level) if deviation else None,
    )
    return Comparison(
        cell=pairs.this.id,
        first=pairs.first.id,
        arm=pairs.this.arm,
        scenario=pairs.this.scenario,
        credentials=pairs.this.credentials,
        pairs=n,
        both=pairs.table(True, True),
        only_this=pairs.table(True, False),
        only_first=pairs.table(False, True),
        neither=pairs.table(False, False),
        rate_difference=rate,
        rate_p=rate_p,
        rate_p_adjusted=rate_adjusted,
        time_difference=seconds,
        time_p=time_p,
        time_p_adjusted=time_adjusted,
        packets_ratio=packets,
        packets_p=packets_p,
        packets_p_adjusted=packets_adjusted,
        packets_p99_ratio=_tail(pairs),
        server_cpu_ratio=_server_cpu(pairs),
        time_deviation=deviation,
        detectable_rate=evidence.detectable_rate,
        detectable_seconds=evidence.detectable_seconds,
        completion=verdict.completion(evidence.rate),
        time=verdict.time(evidence.time),
        packets=verdict.cost(evidence.packets),
        headline=verdict.headline(evidence),
        verdict=verdict.line(evidence),
    )


def _rate(pairs: Pairs) -> Estimate | None:
    if not pairs.trials:
        return None
    only_this, only_first = pairs.table(True, False), pairs.table(False, True)
    interval = rate_difference(pairs.table(True, True), only_first, only_this, pairs.table(False, False))
    return estimate((only_this - only_first) / len(pairs.trials), interval)


def _time(pairs: Pairs) -> Estimate | None:
    return estimate(fmean(pairs.seconds), mean_interval(pairs.seconds)) if pairs.trials else None


def _packets(pairs: Pairs) -> Estimate | None:
    this, first = pairs.packets
    return estimate(sum(this) / sum(first), ratio_of_means(first, this)) if sum(first) else None


def _server_cpu(pairs: Pairs) -> Estimate | None:
    trials = [(of_this, of_first) for of_this, of_first in pairs.trials if of_this.crowd and of_first.crowd]
    # The link uml has none: a clock that stands still while anything computes measures no processor time.
    this, first = ([pair[place].cpu.get("server", 0.0) for pair in trials] for place in (0, 1))
    return estimate(sum(this) / sum(first), ratio_of_means(first, this)) if sum(first) else None


def _tail(pairs: Pairs) -> Estimate | None:
    this, first = pairs.packets
    interval = ratio_of_p99(first, this)
    return estimate(p99(this) / p99(first), interval) if interval else None


def _effect(effect: Estimate | None, adjusted: float | None, neutral: float = 0.0) -> Effect | None:
    if effect is None or adjusted is None:
        return None
    interval = None if effect.low is None or effect.high is None else Interval(effect.low, effect.high)
    return Effect(effect.value, interval, adjusted, neutral)

"""The verdict on two arms: a difference counts only if both its interval and its p-value show it.

The p-values are those adjusted for all comparisons of the report; the intervals are of each comparison alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

from patchkit.lab.statistics.intervals import ALPHA, Interval

Claim = Literal["better", "worse", "no difference shown"]
Cost = Literal["more", "fewer", "no difference shown"]


@dataclass(frozen=True)
class Effect:
    """A difference, or a ratio, of an arm against the first one. Without an interval nothing is claimed."""

    value: float
    interval: Interval | None
    adjusted: float
    neutral: float = 0.0
    """The value that means no effect: 0 for a difference, 1 for a ratio."""

    @property
    def sign(self) -> Literal[-1, 0, 1]:
        """On which side of neutral the effect is, if it is shown; otherwise 0."""
        if self.interval is None or self.adjusted >= ALPHA or not self.interval.excludes(self.neutral):
            return 0
        return 1 if self.interval.low > self.neutral else -1


@dataclass(frozen=True)
class Measured:
    """Everything that a verdict is based on. Times are in seconds, rates are fractions."""

    arm: str
    first: str
    where: str
    pairs: int
    pairs_asked: int
    rate: Effect | None
    time: Effect | None
    packets: Effect | None
    detectable_rate: float | None
    detectable_seconds: float | None
    soak: bool = False
    """Whether the trials are soaks: then time is time without the tunnel."""


def completion(rate: Effect | None) -> Claim:
    """Judge the difference ``rate``: a higher rate of completion is better."""
    return _claim(rate.sign if rate else 0)


def time(seconds: Effect | None) -> Claim:
    """Judge the difference ``seconds``: less time is better."""
    return _claim(-seconds.sign if seconds else 0)


def cost(packets: Effect | None) -> Cost:
    """Judge the ratio ``packets``: more packets are not worse, but a cost that is named."""
    sign = packets.sign if packets else 0
    return "more" if sign > 0 else "fewer" if sign < 0 else "no difference shown"


def headline(evidence: Measured) -> str:
    """Write who is compared with whom, where, and in a few words what ``evidence`` shows."""
    whom = f"{evidence.arm} against {evidence.first}, {evidence.where}"
    if not evidence.rate or not evidence.time:
        return f"{whom}: nothing to compare, not one pair of trials counted."
    return f"{whom}: {_together(completion(evidence.rate), time(evidence.time), evidence.soak)}."


def line(evidence: Measured) -> str:
    """Write the headline, and the figures of ``evidence`` that it is based on."""
    sentences = [headline(evidence)]
    if evidence.rate and evidence.time:
        sentences += [
            f"{'Holds' if evidence.soak else 'Completes'} {_points(evidence.rate)}, mean time "
            f"{'without the tunnel' if evidence.soak else 'up to the limit'} {_seconds(evidence.time)},",
            _packets(evidence.packets) + ".",
        ]
        if evidence.pairs < evidence.pairs_asked:
            sentences.append(f"Only {evidence.pairs} of {evidence.pairs_asked} pairs counted.")
        sentences.append(_power(evidence))
    return " ".join(sentences)


def pvalue(value: float) -> str:
    """Write the p-value ``value`` with two digits."""
    return "<0.0001" if value < 0.0001 else f"{value:.2g}"


def _claim(sign: int) -> Claim:
    return "better" if sign > 0 else "worse" if sign < 0 else "no difference shown"


def _together(complete: Claim, fast: Claim, soak: bool) -> str:
    what, when = ("holding the tunnel", "time without it") if soak else ("completion", "time")
    if complete == fast:
        return complete
    joint = ", but" if {complete, fast} == {"better", "worse"} else ";"
    if complete == "no difference shown":
        return f"{fast} in {when}; {complete} in {what}"
    return f"{complete} in {what}{joint} {fast} in {when}"


def _points(rate: Effect) -> str:
    return f"{_signed(100 * rate.value)} points" + _grounds(rate, 100)


def _seconds(seconds: Effect) -> str:
    return f"{_signed(seconds.value)} s" + _grounds(seconds)


def _grounds(effect: Effect, scale: float = 1.0) -> str:
    if effect.interval is None:
        return f" (p {pvalue(effect.adjusted)})"
    low, high = (_signed(scale * end) for end in effect.interval)
    return f" ({low} to {high}; p {pvalue(effect.adjusted)})"


def _packets(packets: Effect | None) -> str:
    if packets is None:
        return "control packets can't be compared"
    change = cost(packets)
    what = "no difference in control packets shown" if change == "no difference shown" else f"{change} control packets"
    within = f" ({packets.interval.low:.2f} to {packets.interval.high:.2f})" if packets.interval else ""
    return f"{what}: {packets.value:.2f} times as many{within}"


def _power(evidence: Measured) -> str:
    pairs = f"{evidence.pairs} pair{'s' if evidence.pairs > 1 else ''}"
    if evidence.detectable_rate is None:
        return f"{pairs} can't show any difference: too few."
    # Rounded up: the number must be at least as large as the difference that would have been shown.
    shown = f"{ceil(100 * evidence.detectable_rate)} points or more, if no pair goes the other way"
    if evidence.detectable_seconds is not None:
        shown += f", or of {ceil(10 * evidence.detectable_seconds) / 10:g} s or more"
    return f"{pairs} would have shown a difference of {shown}, in 4 of 5 such campaigns."


def _signed(value: float) -> str:
    if not value:
        return "0"
    # Small ones with more digits: an end of an interval that is not 0 must not be written as 0.
    return (f"{value:+.1f}" if abs(value) >= 1 else f"{value:+.2g}").replace("-", "\N{MINUS SIGN}")

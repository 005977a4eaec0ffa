"""What may be said of two arms, and no more: a difference counts only if its interval and its p-value both show it.

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
    """What stands for no effect: 0 for a difference, 1 for a ratio."""

    @property
    def sign(self) -> Literal[-1, 0, 1]:
        """Where it lies beyond doubt; 0 where there is doubt."""
        if self.interval is None or self.adjusted >= ALPHA or not self.interval.excludes(self.neutral):
            return 0
        return 1 if self.interval.low > self.neutral else -1


@dataclass(frozen=True)
class Findings:
    """All that one verdict rests on. Times are in seconds, rates are fractions."""

    arm: str
    first: str
    where: str
    pairs: int
    asked: int
    rate: Effect | None
    time: Effect | None
    packets: Effect | None
    detectable_rate: float | None
    detectable_seconds: float | None
    soak: bool = False
    """Whether it is about tunnels that are to hold: then time is time without one."""


def completion(rate: Effect | None) -> Claim:
    """More that complete are better."""
    return _claim(rate.sign if rate else 0)


def time(seconds: Effect | None) -> Claim:
    """Less time is better."""
    return _claim(-seconds.sign if seconds else 0)


def cost(packets: Effect | None) -> Cost:
    """More packets are no verdict on an arm, but their price is named."""
    sign = packets.sign if packets else 0
    return "more" if sign > 0 else "fewer" if sign < 0 else "no difference shown"


def headline(found: Findings) -> str:
    """Who, against whom, where, and in a few words what became of it."""
    whom = f"{found.arm} against {found.first}, {found.where}"
    if not found.rate or not found.time:
        return f"{whom}: nothing to compare, not one pair of trials counted."
    return f"{whom}: {_together(completion(found.rate), time(found.time), found.soak)}."


def line(found: Findings) -> str:
    """The headline, and what it rests on."""
    said = [headline(found)]
    if found.rate and found.time:
        said += [
            f"{'Holds' if found.soak else 'Completes'} {_points(found.rate)}, mean time "
            f"{'without the tunnel' if found.soak else 'up to the limit'} {_seconds(found.time)},",
            _packets(found.packets) + ".",
        ]
        if found.pairs < found.asked:
            said.append(f"Only {found.pairs} of {found.asked} pairs counted.")
        said.append(_power(found))
    return " ".join(said)


def pvalue(value: float) -> str:
    """As one writes it."""
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
    known = cost(packets)
    what = "no difference in control packets shown" if known == "no difference shown" else f"{known} control packets"
    within = f" ({packets.interval.low:.2f} to {packets.interval.high:.2f})" if packets.interval else ""
    return f"{what}: {packets.value:.2f} times as many{within}"


def _power(found: Findings) -> str:
    pairs = f"{found.pairs} pair{'s' if found.pairs > 1 else ''}"
    if found.detectable_rate is None:
        return f"{pairs} can't show any difference: too few."
    # Rounded up: what is named must be at least as large as what would have been shown.
    shown = f"{ceil(100 * found.detectable_rate)} points or more, if no pair goes the other way"
    if found.detectable_seconds is not None:
        shown += f", or of {ceil(10 * found.detectable_seconds) / 10:g} s or more"
    return f"{pairs} would have shown a difference of {shown}, in 4 of 5 such campaigns."


def _signed(value: float) -> str:
    if not value:
        return "0"
    # Small ones with more digits: an end of an interval that is not 0 must not look like it.
    return (f"{value:+.1f}" if abs(value) >= 1 else f"{value:+.2g}").replace("-", "\N{MINUS SIGN}")

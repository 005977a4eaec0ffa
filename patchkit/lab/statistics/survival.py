"""Times with a limit: who has not finished by then is censored there. Kaplan and Meier's curve, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any
from warnings import catch_warnings, simplefilter

from patchkit.lab.statistics.intervals import CONFIDENCE, rate_interval

_EXACTLY = 1e-9  # the curve is a product of fractions: 0.5 may come out a little beside itself


@dataclass(frozen=True)
class Curve:
    """A step function from time 0: from each time on, that share has not finished yet; with its 95 % band."""

    times: tuple[float, ...]
    unfinished: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Quantile:
    """When a share has finished, and the interval of that time. None: not within the limit."""

    value: float | None
    low: float | None
    high: float | None


def survival(times: Sequence[float], finished: Sequence[bool]) -> Curve:
    """Kaplan-Meier with log-log limits (Kalbfleisch and Prentice). Times of the unfinished: how long they were seen.

    Where these limits do not exist, before the first has finished and after the last: Clopper and Pearson's before,
    and after it the last upper limit there was. Raises ValueError without times.
    """
    from scipy.stats import CensoredData, ecdf

    exact = rate_interval(len(times), len(times))
    if exact is None:
        raise ValueError("no times, no curve")
    done = [time for time, seen in zip(times, finished, strict=True) if seen]
    if not done:
        return Curve((0.0,), (1.0,), (exact.low,), (1.0,))
    step = ecdf(CensoredData(done, right=[time for time, seen in zip(times, finished, strict=True) if not seen])).sf
    with catch_warnings():
        simplefilter("ignore", RuntimeWarning)  # that it does not exist everywhere; seen to below
        # Two step functions, which scipy-stubs takes for numbers.
        band: Any = step.confidence_interval(CONFIDENCE, method="log-log")
    rows = [(0.0, 1.0, exact.low, 1.0)]
    for time, share, low, high in zip(
        step.quantiles, step.probabilities, band.low.probabilities, band.high.probabilities, strict=True
    ):
        if share >= rows[-1][1] - _EXACTLY:
            continue  # somebody was censored here; the curve does not fall
        if isfinite(low) and isfinite(high):
            rows.append((float(time), float(share), float(low), float(high)))
        else:
            rows.append((float(time), 0.0, 0.0, rows[-1][3] if len(rows) > 1 else 1 - exact.low))
    return Curve(*zip(*rows, strict=True))


def quantile(curve: Curve, share: float) -> Quantile:
    """When that share has finished; the interval is where the band crosses (Brookmeyer and Crowley 1982).

    Where the curve lies exactly on the line for a while, the middle of that while, as is usual for medians.
    """
    left = 1 - share
    crossed = _first(curve.times, curve.unfinished, left)
    if crossed is not None and abs(curve.unfinished[crossed] - left) <= _EXACTLY and crossed + 1 < len(curve.times):
        value: float | None = (curve.times[crossed] + curve.times[crossed + 1]) / 2
    else:
        value = None if crossed is None else curve.times[crossed]
    low, high = (_first(curve.times, band, left) for band in (curve.low, curve.high))
    return Quantile(value, None if low is None else curve.times[low], None if high is None else curve.times[high])


def restricted_mean(curve: Curve, limit: float) -> float:
    """Mean time up to the limit: the area under the curve until then (Irwin 1949)."""
    ends = [*(min(time, limit) for time in curve.times), limit]
    return sum(share * (end - start) for share, (start, end) in zip(curve.unfinished, pairwise(ends), strict=True))


def _first(times: Sequence[float], shares: Sequence[float], left: float) -> int | None:
    return next((place for place in range(len(times)) if shares[place] <= left + _EXACTLY), None)

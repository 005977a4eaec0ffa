"""Times with a limit, at which the unfinished are censored: Kaplan and Meier's curve, and its quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any
from warnings import catch_warnings, simplefilter

from patchkit.lab.statistics.intervals import CONFIDENCE, rate_interval

_EXACTLY = 1e-9  # the curve is a product of fractions, which may differ from 0.5 by rounding


@dataclass(frozen=True)
class Curve:
    """A step function: from each of ``times`` on, that share has not finished yet; with its 95 % band."""

    times: tuple[float, ...]
    unfinished: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Quantile:
    """The time when a share has finished, and its interval. None: not within the limit."""

    value: float | None
    low: float | None
    high: float | None


def survival(times: Sequence[float], finished: Sequence[bool]) -> Curve:
    """Estimate Kaplan and Meier's curve of ``times``, with log-log limits (Kalbfleisch and Prentice).

    Times that are not ``finished`` are how long they were watched. The limits do not exist before the first has
    finished and after the last: there they are Clopper and Pearson's, and the last upper limit. Raises ValueError when
    there are no times.
    """
    from scipy.stats import CensoredData, ecdf

    exact = rate_interval(len(times), len(times))
    if exact is None:
        raise ValueError("no times, no curve")
    finished_times = [time for time, done in zip(times, finished, strict=True) if done]
    if not finished_times:
        return Curve((0.0,), (1.0,), (exact.low,), (1.0,))
    censored_times = [time for time, done in zip(times, finished, strict=True) if not done]
    step = ecdf(CensoredData(finished_times, right=censored_times)).sf
    with catch_warnings():
        simplefilter("ignore", RuntimeWarning)  # that it does not exist everywhere; handled below
        # Two step functions, which scipy-stubs takes for numbers.
        band: Any = step.confidence_interval(CONFIDENCE, method="log-log")
    rows = [(0.0, 1.0, exact.low, 1.0)]
    for time, share, low, high in zip(
        step.quantiles, step.probabilities, band.low.probabilities, band.high.probabilities, strict=True
    ):
        if share >= rows[-1][1] - _EXACTLY:
            continue  # a time was censored here; the curve does not fall
        if isfinite(low) and isfinite(high):
            rows.append((float(time), float(share), float(low), float(high)))
        else:
            rows.append((float(time), 0.0, 0.0, rows[-1][3] if len(rows) > 1 else 1 - exact.low))
    return Curve(*zip(*rows, strict=True))


def quantile(curve: Curve, share: float) -> Quantile:
    """Find when ``share`` has finished; the interval is where the band crosses it (Brookmeyer and Crowley 1982).

    When the curve is exactly there for some time, the result is the middle of that time, as is usual for medians.
    """
    left = 1 - share
    crossed = _first(curve.times, curve.unfinished, left)
    if crossed is not None and abs(curve.unfinished[crossed] - left) <= _EXACTLY and crossed + 1 < len(curve.times):
        value: float | None = (curve.times[crossed] + curve.times[crossed + 1]) / 2
    else:
        value = None if crossed is None else curve.times[crossed]
    low, high = (_first(curve.times, band, left) for band in (curve.low, curve.high))
    return Quantile(value, None if low is None else curve.times[low], None if high is None else curve.times[high])


def _first(times: Sequence[float], shares: Sequence[float], left: float) -> int | None:
    return next((place for place in range(len(times)) if shares[place] <= left + _EXACTLY), None)

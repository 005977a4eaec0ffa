"""Intervals and tests for campaigns so large that resampling them would take minutes, where formulas are as good.

With 200 values and more they differ from the resampling of :mod:`patchkit.lab.statistics.intervals` by a small part of
what the intervals are wide.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import erfc, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

LARGE = 20_000
"""Trials of a campaign; beyond them, formulas are used."""
LEAST = 200
"""Values that a formula needs."""
Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""
_in_use = ContextVar("_in_use", default=False)


@contextmanager
def formulas(trials: int) -> Iterator[None]:
    """Use formulas within the context, if a campaign has so many ``trials``."""
    before = _in_use.set(trials > LARGE)
    try:
        yield
    finally:
        _in_use.reset(before)


def by_formula(n: int) -> bool:
    """Return whether an interval of ``n`` values is computed by a formula."""
    return n >= LEAST and _in_use.get()


def mean_limits(values: Numbers) -> tuple[float, float]:
    """Compute the interval of the mean of ``values``, corrected for their skewness, as BCa corrects for it.

    N. J. Johnson, Modified t tests and confidence intervals for asymmetrical populations, Journal of the American
    Statistical Association 73 (1978) 536-544; P. Hall, The Bootstrap and Edgeworth Expansion (1992), section 3.6.
    """
    n, mean = len(values), float(values.mean())
    deviation = float(values.std(ddof=1))
    skewness = float(((values - mean) ** 3).mean()) / deviation**3
    shift = skewness * (2 * Z * Z + 1) / (6 * sqrt(n))
    margin = deviation / sqrt(n)
    return mean + margin * (shift - Z), mean + margin * (shift + Z)


def ratio_limits(first: Numbers, second: Numbers) -> tuple[float, float]:
    """Compute the interval of the mean of ``second`` over that of ``first``, of pairs, by the delta method."""
    ratio = float(second.mean() / first.mean())
    margin = Z * float((second - ratio * first).std(ddof=1)) / sqrt(len(first)) / float(first.mean())
    return ratio - margin, ratio + margin


def sign_flip_pvalue(differences: Numbers) -> float:
    """Compute the p-value of exchanging the sides of pairs at random, which makes a sum that is nearly normal."""
    return erfc(abs(float(differences.sum())) / sqrt(2 * float((differences**2).sum())))

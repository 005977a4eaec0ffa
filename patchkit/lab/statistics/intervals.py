"""Rates, means and pairs: numbers in, numbers out. By scipy where it can; every other formula names its author.

All intervals are two-sided, at 95 %. Resampling starts from a fixed seed, so the same numbers give the same interval.
Of campaigns with more than 20,000 trials, :mod:`patchkit.lab.statistics.large_sample` has formulas.
Sums are taken over whole millionths: they are exact, so no processor's order of adding changes a digit or a tie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb, isfinite, sqrt
from typing import TYPE_CHECKING, Literal, NamedTuple
from warnings import catch_warnings, simplefilter

from patchkit.lab.statistics.large_sample import by_formula, mean_limits, ratio_limits, sign_flip_pvalue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
RESAMPLES = 9999  # scipy's own default; the smallest p-value it can give is 2/10000
_RESAMPLES_OF_MANY = 999  # of the 99th percentile, in a campaign where all else is computed by a formula
SEED = 20130313  # any will do, as long as it stays
LEAST_FOR_P99 = 368  # 1 - 0.99**368 > 0.975: only then is the largest of them an upper limit of the 99th percentile


class Interval(NamedTuple):
    """Both ends of an interval; they are the same when the data show no spread at all."""

    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Return whether ``value`` is outside."""
        return value < self.low or value > self.high


def rate_interval(successes: int, n: int) -> Interval | None:
    """Compute the exact interval of the rate ``successes`` of ``n`` (Clopper and Pearson 1934). None for n = 0."""
    from scipy.stats import binomtest

    if not n:
        return None
    limits = binomtest(successes, n).proportion_ci(CONFIDENCE, method="exact")
    return Interval(float(limits.low), float(limits.high))


def mcnemar(only_first: int, only_second: int) -> float:
    """Compute the exact p-value of McNemar's test: whether the discordant pairs go both ways equally often.

    ``only_first`` and ``only_second`` count the pairs in which only one side succeeded.
    """
    from scipy.stats import binomtest

    discordant = only_first + only_second
    return float(binomtest(only_second, discordant).pvalue) if discordant else 1.0


def rate_difference(both: int, only_first: int, only_second: int, neither: int) -> Interval | None:
    """Compute the interval of the second rate less the first one, of pairs counted by outcome. None without pairs.

    Newcombe's method 10: Wilson's score limits of either rate, squared and added, with the correlation of the pairs.
    R. G. Newcombe, Improved confidence intervals for the difference between binomial proportions based on paired
    data, Statistics in Medicine 17 (1998) 2635-2650. Unlike Wald's it does not shrink to a point at 0 or 100 %.
    """
    from scipy.stats import binomtest

    n = both + only_first + only_second + neither
    if not n:
        return None
    firsts, seconds = both + only_first, both + only_second
    wilson = [binomtest(count, n).proportion_ci(CONFIDENCE, method="wilson") for count in (firsts, seconds)]
    below = [max(count / n - float(ci.low), 0.0) for count, ci in zip((firsts, seconds), wilson, strict=True)]
    above = [max(float(ci.high) - count / n, 0.0) for count, ci in zip((firsts, seconds), wilson, strict=True)]
    product = float(both * neither - only_first * only_second)
    if product > 0:
        product = max(product - n / 2, 0.0)  # his continuity correction
    margins = firsts * (n - firsts) * seconds * (n - seconds)
    phi = product / sqrt(margins) if margins else 0.0
    difference = (seconds - firsts) / n

    def joined(margin: float, other: float) -> float:
        return sqrt(max(margin**2 - 2 * phi * margin * other + other**2, 0.0))

    return Interval(
        max(difference - joined(below[1], above[0]), -1.0),
        min(difference + joined(above[1], below[0]), 1.0),
    )


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Compute the interval of the mean of ``values``, or of pairs' differences. None for fewer than two values.

    Bias-corrected and accelerated bootstrap (Efron 1987): times are skewed, and the limit piles some of them up.
    Student's t for few values, as long as there are fewer different resamples than are drawn (up to 8 values).
    A point when all values are the same: no method can show a spread that the data do not have.
    """
    from scipy.stats import ttest_1samp

    if len(values) < 2:
        return None
    numbers = _millionths(values)
    if numbers.min() == numbers.max():
        return Interval(float(numbers[0]) / 1e6, float(numbers[0]) / 1e6)
    if by_formula(len(values)):
        computed = mean_limits(numbers)
        return Interval(computed[0] / 1e6, computed[1] / 1e6)
    if _too_few(len(values)):
        low, high = ttest_1samp(numbers, 0).confidence_interval(CONFIDENCE)
    else:
        low, high = _bootstrapped((numbers,), _mean)
    return Interval(float(low) / 1e6, float(high) / 1e6)


def ratio_of_means(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """Compute the interval of the mean of ``second`` over that of ``first``, of pairs (BCa bootstrap of whole pairs).

    None for fewer than 9 pairs, or with a zero among the first ones: a resample could be all zeros.
    """
    if _too_few(len(first)) or min(first) <= 0:
        return None
    if by_formula(len(first)):
        return Interval(*ratio_limits(_millionths(first), _millionths(second)))
    return _bootstrapped((_millionths(first), _millionths(second)), _ratio_of_means)


def ratio_of_p99(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """Compute the interval of the 99th percentile of ``second`` over that of ``first`` (percentile bootstrap of pairs).

    BCa is not valid here: its acceleration comes from the jackknife, which fails for quantiles (Efron and Tibshirani
    1993, section 11.6). None for fewer than 368 pairs.
    """
    if len(first) < LEAST_FOR_P99 or min(first) <= 0:
        return None
    return _bootstrapped((_millionths(first), _millionths(second)), _ratio_of_p99, method="percentile")


def p99(values: Sequence[float]) -> float:
    """Find the smallest of ``values`` that 99 % do not exceed."""
    from numpy import quantile

    return float(quantile(values, 0.99, method="inverted_cdf"))


def sign_flip(differences: Sequence[float]) -> float:
    """Compute the p-value of the mean of ``differences`` being 0: each pair's sides exchanged at random (Fisher 1935).

    Of every possible exchange where there are no more than 9999 (up to 13 pairs that differ), else of that many.
    """
    from numpy.random import default_rng
    from scipy.stats import permutation_test

    numbers = _millionths(differences)
    numbers = numbers[numbers != 0]  # exchanging equals changes nothing
    if len(numbers) < 2:
        return 1.0  # a single one is as far from 0 either way
    if by_formula(len(numbers)):
        return sign_flip_pvalue(numbers)
    test = permutation_test(
        (numbers,), _mean, permutation_type="samples", vectorized=True, n_resamples=RESAMPLES, batch=500,
        rng=default_rng(SEED),
    )  # fmt: skip
    return min(float(test.pvalue), 1.0)


def holm(pvalues: Sequence[float]) -> list[float]:
    """Adjust ``pvalues`` for their number, in the order given: all together are wrong no more often than one would be.

    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    adjusted = [0.0] * len(pvalues)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(pvalues)), key=lambda place: pvalues[place])):
        highest = max(highest, min((len(pvalues) - rank) * pvalues[place], 1.0))
        adjusted[place] = highest
    return adjusted


def _millionths(values: Sequence[float]) -> Numbers:
    from numpy import array, rint

    return rint(array(values, dtype=float) * 1e6)


def _bootstrapped(
    data: tuple[Numbers, ...], statistic: Callable[..., Numbers], method: Literal["BCa", "percentile"] = "BCa"
) -> Interval:
    from numpy.random import default_rng
    from scipy.stats import bootstrap

    with catch_warnings():
        simplefilter("ignore")  # where BCa fails, it warns and gives NaN; then the plain percentiles are taken
        result = bootstrap(
            data, statistic, paired=len(data) > 1, vectorized=True,
            n_resamples=_RESAMPLES_OF_MANY if by_formula(len(data[0])) else RESAMPLES, batch=_batch(len(data[0])),
            confidence_level=CONFIDENCE, method=method, rng=default_rng(SEED),
        )  # fmt: skip
        if not all(map(isfinite, result.confidence_interval)):
            result = bootstrap(
                data, statistic, paired=len(data) > 1, vectorized=True, n_resamples=0, bootstrap_result=result,
                confidence_level=CONFIDENCE, method="percentile",
            )  # fmt: skip
    return Interval(float(result.confidence_interval.low), float(result.confidence_interval.high))


def _batch(n: int) -> int:
    """How many resamples of ``n`` values are held at a time: some 40 MB of them."""
    return max(1, min(500, 5_000_000 // n))


def _too_few(n: int) -> bool:
    """Whether ``n`` values can be resampled in fewer different ways than are drawn."""
    return n < 2 or comb(2 * n - 1, n) < RESAMPLES


def _mean(values: Numbers, axis: int) -> Numbers:
    mean: Numbers = values.mean(axis=axis)
    return mean


def _ratio_of_means(first: Numbers, second: Numbers, axis: int) -> Numbers:
    ratio: Numbers = second.mean(axis=axis) / first.mean(axis=axis)
    return ratio


def _ratio_of_p99(first: Numbers, second: Numbers, axis: int) -> Numbers:
    from numpy import quantile

    of_first, of_second = (quantile(values, 0.99, axis=axis, method="inverted_cdf") for values in (first, second))
    ratio: Numbers = of_second / of_first
    return ratio

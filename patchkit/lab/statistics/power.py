"""The power of a number of pairs: the smallest difference that is found in four of five such campaigns."""

from __future__ import annotations

from math import ceil, log2, sqrt

from patchkit.lab.statistics.intervals import ALPHA

POWER = 0.8


def least_discordant(alpha: float = ALPHA) -> int:
    """Count the pairs that, all going one way, make an exact test's two-sided p-value no more than ``alpha``."""
    return ceil(1 - log2(alpha))


def detectable_rate(pairs: int, alpha: float = ALPHA) -> float | None:
    """Compute the smallest difference of rates that McNemar's exact test finds with 80 % power, for so many ``pairs``.

    None for too few pairs. For discordant pairs that all go one way, the best case: then their number is binomial, and
    p is 2 * 0.5**number.
    """
    from scipy.stats import beta

    needed = least_discordant(alpha)
    if pairs < needed:
        return None
    # The probability that a binomial reaches `needed` is the beta distribution's integral (Clopper and Pearson 1934).
    return float(beta.ppf(POWER, needed, pairs - needed + 1))


def detectable_mean(pairs: int, deviation: float, alpha: float = ALPHA) -> float | None:
    """Compute the smallest mean difference that is found with 80 % power, for so many ``pairs``.

    ``deviation`` is the standard deviation of the pairs' differences.

    By the noncentral t of the paired t test, which tests of exchanges equal for many pairs (Hoeffding 1952). None for
    too few pairs, or where the pairs' differences show no deviation at all.
    """
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    if pairs < least_discordant(alpha) or deviation <= 0:
        return None
    freedom = pairs - 1
    critical = t.ppf(1 - alpha / 2, freedom)

    def missing(noncentrality: float) -> float:
        # The other tail adds nothing at 80 %.
        return float(nct.sf(critical, freedom, noncentrality)) - POWER

    # The median of a noncentral t is near its noncentrality: 80 % lie beyond less than a few deviations below it.
    noncentrality = float(brentq(missing, 0.0, 2 * critical + 10))
    return noncentrality * deviation / sqrt(pairs)

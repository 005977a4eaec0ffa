"""Against figures that others published, and against what must hold for any numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchkit.lab.statistics.intervals import (
    holm,
    mcnemar,
    mean_interval,
    p99,
    rate_difference,
    rate_interval,
    ratio_of_means,
    ratio_of_p99,
    sign_flip,
)  # fmt: skip
from patchkit.lab.statistics.power import POWER, detectable_mean, detectable_rate, least_discordant

FEW = settings(max_examples=15, deadline=None)  # each resamples thousands of times
# Darwin's maize, crossed less self-fertilized, in eighths of an inch: Fisher, The Design of Experiments (1935), § 16.
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe, Two-sided confidence intervals for the single proportion, Stat. Med. 17 (1998) 857, table I, method 5.
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_clopper_and_pearson(successes: int, n: int, low: float, high: float) -> None:
    assert rate_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_no_trials_have_no_rate() -> None:
    assert rate_interval(0, 0) is None
    assert rate_difference(0, 0, 0, 0) is None


def test_mcnemar_of_agrestis_approval_ratings() -> None:
    """Agresti, Categorical Data Analysis (1990), p. 350: 1600 people; the exact p is R's exact2x2::mcnemar.exact."""
    assert mcnemar(150, 86) == pytest.approx(3.716e-05, rel=1e-3)
    interval = rate_difference(both=794, only_first=150, only_second=86, neither=570)
    assert interval == pytest.approx((-0.059, -0.021), abs=1e-3)  # so large a sample: near Wald's -0.0587 to -0.0213


@pytest.mark.parametrize(
    ("table", "low", "high"),
    # Newcombe, Stat. Med. 17 (1998) 2635, his examples for method 10; e, f, g, h with (f - g) / n the difference.
    [
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((18, 12, 2, 18), 0.0562, 0.3290),
        ((53, 0, 0, 1), -0.0729, 0.0729),
        ((0, 30, 0, 0), 0.8395, 1.0),
    ],
)
def test_newcombes_own_examples(table: tuple[int, int, int, int], low: float, high: float) -> None:
    both, only_first, only_second, neither = table
    assert rate_difference(both, only_second, only_first, neither) == pytest.approx((low, high), abs=5e-5)
    assert rate_difference(both, only_first, only_second, neither) == pytest.approx((-high, -low), abs=5e-5)


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(0, 200)] * 4))
def test_intervals_of_differences_hold_the_difference(table: tuple[int, int, int, int]) -> None:
    both, only_first, only_second, neither = table
    interval = rate_difference(both, only_first, only_second, neither)
    if sum(table):
        assert interval
        assert -1 <= interval.low <= (only_second - only_first) / sum(table) + 1e-12
        assert (only_second - only_first) / sum(table) - 1e-12 <= interval.high <= 1
    assert mcnemar(only_first, only_second) == mcnemar(only_second, only_first) <= 1


def test_fishers_own_example_of_exchanging_pairs() -> None:
    """He counted 1726 of 32768 exchanges at least as far from 0 as what Darwin saw (section 21)."""
    assert sign_flip(MAIZE) == pytest.approx(1726 / 32768, abs=0.008)
    assert sign_flip([1, 2, 3]) == 2 / 8  # all exchanges, counted by hand
    assert sign_flip([0, 0, 0]) == sign_flip([5]) == 1.0
    assert sign_flip([3.0] * 20) <= 2e-4


def test_few_values_are_students() -> None:
    # 1 to 5: mean 3, deviation sqrt(2.5), and t(4) is 2.776 in every table.
    half = 2.776 * math.sqrt(2.5 / 5)
    assert mean_interval([1, 2, 3, 4, 5]) == pytest.approx((3 - half, 3 + half), abs=1e-3)


def test_what_shows_no_spread_is_a_point() -> None:
    assert mean_interval([]) is None
    assert mean_interval([7.0]) is None
    assert mean_interval([7.0] * 20) == (7.0, 7.0)
    assert ratio_of_means([10] * 20, [20] * 20) == (2.0, 2.0)
    assert ratio_of_means(range(1, 21), [2 * count for count in range(1, 21)]) == pytest.approx((2.0, 2.0))


def test_the_bootstrap_is_near_the_normal_where_that_is_right() -> None:
    values = [math.sin(place) for place in range(1, 400)]  # symmetric, mean 0, variance 1/2
    assert mean_interval(values) == pytest.approx((-1.96 / math.sqrt(2 * 399), 1.96 / math.sqrt(2 * 399)), abs=0.01)


@FEW
@given(st.lists(st.floats(0, 60, allow_subnormal=False), min_size=9, max_size=40))
def test_means_stay_within_what_was_seen(values: list[float]) -> None:
    interval = mean_interval(values)
    assert interval
    assert min(values) - 1e-6 <= interval.low <= interval.high <= max(values) + 1e-6
    assert mean_interval(values) == interval


@FEW
@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 500)), min_size=0, max_size=40))
def test_ratios_are_of_their_data(pairs: list[tuple[int, int]]) -> None:
    first, second = [value for value, _ in pairs], [other for _, other in pairs]
    interval = ratio_of_means(first, second)
    assert (interval is None) == (len(pairs) < 9)
    if interval:
        assert 0 <= interval.low <= interval.high
    assert ratio_of_p99(first, second) is None


def test_ratios_that_cannot_be() -> None:
    assert ratio_of_means([0, *[1] * 20], [1] * 21) is None  # a resample could be all zeros


def test_the_tail_wants_368_pairs() -> None:
    counts = list(range(1, 401))
    assert ratio_of_p99(counts[:367], counts[:367]) is None
    assert ratio_of_p99(counts, [3 * count for count in counts]) == (3.0, 3.0)
    assert p99(counts) == 396


def test_holms_adjustment() -> None:
    """R's p.adjust(method = "holm") of the same."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=20))
def test_adjusting_never_helps(pvalues: list[float]) -> None:
    adjusted = holm(pvalues)
    assert all(
        pvalue <= adjusted_pvalue <= min(len(pvalues) * pvalue, 1)
        for pvalue, adjusted_pvalue in zip(pvalues, adjusted, strict=True)
    )
    ordered = sorted(range(len(pvalues)), key=lambda place: pvalues[place])
    assert [adjusted[place] for place in ordered] == sorted(adjusted)


@settings(deadline=None)
@given(st.floats(1e-4, 0.2), st.integers(1, 1000))
def test_the_detectable_difference_is_found_four_times_in_five(alpha: float, pairs: int) -> None:
    from scipy.stats import binom  # in a second, which each worker would take to collect the tests

    needed = least_discordant(alpha)
    assert mcnemar(0, needed) <= alpha < mcnemar(0, needed - 1)
    share = detectable_rate(pairs, alpha)
    assert (share is None) == (pairs < needed)
    if share is not None:
        assert binom.sf(needed - 1, pairs, share) == pytest.approx(POWER, abs=1e-6)


def test_a_hundred_pairs_show_eight_points() -> None:
    assert detectable_rate(100) == pytest.approx(0.0779, abs=1e-4)


def test_the_paired_t_tests_power() -> None:
    """The usual example: half a deviation wants 34 pairs for 80 % power, and 33 are just too few (so G*Power)."""
    assert (detectable_mean(34, 1.0) or 9) < 0.5 < (detectable_mean(33, 1.0) or 0)
    assert detectable_mean(34, 10.0) == pytest.approx(10 * (detectable_mean(34, 1.0) or 0))
    assert detectable_mean(5, 1.0) is detectable_mean(100, 0.0) is None
    assert detectable_mean(1000, 1.0, 0.05 / 300)

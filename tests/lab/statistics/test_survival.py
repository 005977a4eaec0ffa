"""Kaplan and Meier's curve against the data that textbooks teach it with."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchkit.lab.statistics.survival import Curve, quantile, survival

# Weeks of remission in leukaemia, Freireich et al., Blood 21 (1963) 699: 6-mercaptopurine (+: still in remission) and
# placebo. The curve's values are those of Kleinbaum and Klein, Survival Analysis, chapter 2, and of SAS's LIFETEST.
RELAPSED = [6, 6, 6, 7, 10, 13, 16, 22, 23]
STILL_WELL = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
TREATED = survival([*RELAPSED, *STILL_WELL], [True] * 9 + [False] * 12)
UNTREATED = survival(PLACEBO, [True] * 21)


def restricted_mean(curve: Curve, limit: float) -> float:
    """Mean time up to the limit: the area under the curve until then (Irwin 1949)."""
    ends = [*(min(time, limit) for time in curve.times), limit]
    return sum(share * (end - start) for share, (start, end) in zip(curve.unfinished, pairwise(ends), strict=True))


def test_the_curve() -> None:
    assert list(TREATED.times) == [0, 6, 7, 10, 13, 16, 22, 23]
    assert TREATED.unfinished == pytest.approx((1, 0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482), abs=5e-5)
    assert UNTREATED.unfinished == pytest.approx([sum(t > time for t in PLACEBO) / 21 for time in UNTREATED.times])


def test_the_band() -> None:
    """At 6 weeks the standard error is 0.0764 (Greenwood); on the scale of log(-log S) that is se / (S log S)."""
    share, spread = 18 / 21, 1.959964 * 0.07636 / (18 / 21 * math.log(21 / 18))
    assert TREATED.low[1] == pytest.approx(share ** math.exp(spread), abs=1e-3)
    assert TREATED.high[1] == pytest.approx(share ** math.exp(-spread), abs=1e-3)


def test_medians_and_their_intervals() -> None:
    """Medians of 23 and 8 weeks, as published; limits where the log-log band crosses one half."""
    treated, untreated = quantile(TREATED, 0.5), quantile(UNTREATED, 0.5)
    assert (treated.value, treated.low, treated.high) == (23, 13, None)
    assert (untreated.value, untreated.low, untreated.high) == (8, 4, 11)
    assert quantile(TREATED, 0.9).value is None


def test_a_median_between_two() -> None:
    curve = survival([1.0, 2.0, 4.0, 8.0], [True] * 4)
    assert quantile(curve, 0.5).value == 3.0
    assert quantile(survival([1.0, 60.0], [True, False]), 0.5).value == 1.0


def test_restricted_mean_by_hand() -> None:
    # All of 1 for 1 s, 2/3 for 2 s more, 1/3 until the limit of 10 s.
    curve = survival([1.0, 3.0, 10.0], [True, True, False])
    assert restricted_mean(curve, 10.0) == pytest.approx(1 + 2 * 2 / 3 + 7 / 3)
    assert restricted_mean(curve, 2.0) == pytest.approx(1 + 2 / 3)
    assert restricted_mean(UNTREATED, 60.0) == pytest.approx(sum(PLACEBO) / 21)


def test_none_and_all_at_once() -> None:
    none, all_at_once = survival([60.0] * 20, [False] * 20), survival([0.5] * 20, [True] * 20)
    assert (none.times, none.unfinished) == ((0.0,), (1.0,))
    assert none.low[0] == pytest.approx(0.8316, abs=1e-4)  # Clopper and Pearson's for 20 of 20
    assert all_at_once.unfinished == (1.0, 0.0)
    assert all_at_once.high[1] == pytest.approx(0.1684, abs=1e-4)
    with pytest.raises(ValueError, match="no times"):
        survival([], [])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.0, 80.0).map(lambda seconds: round(seconds, 3)), min_size=1, max_size=40))
def test_with_one_limit_for_all(seconds: list[float]) -> None:
    limit = 60.0
    curve = survival([min(duration, limit) for duration in seconds], [duration <= limit for duration in seconds])
    assert restricted_mean(curve, limit) == pytest.approx(
        sum(min(duration, limit) for duration in seconds) / len(seconds)
    )
    assert list(curve.times) == sorted(curve.times)
    for band in (curve.unfinished, curve.low, curve.high):
        assert all(later <= earlier + 1e-9 for earlier, later in pairwise(band))
    for low, share, high in zip(curve.low, curve.unfinished, curve.high, strict=True):
        assert 0 <= low <= share + 1e-9 <= high + 2e-9 <= 1 + 3e-9
    half = quantile(curve, 0.5)
    if half.value is not None and half.low is not None:
        assert half.low <= half.value <= (half.high if half.high is not None else math.inf)

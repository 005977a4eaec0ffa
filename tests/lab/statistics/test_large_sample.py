"""Formulas against the resampling that they stand for."""

from __future__ import annotations

import random

import pytest

from patchkit.lab.statistics.intervals import Interval, mean_interval, ratio_of_means, ratio_of_p99, sign_flip
from patchkit.lab.statistics.large_sample import LARGE, LEAST, by_formula, formulas

CHANCE = random.Random(3)  # noqa: S311 - not for secrets
TIMES = [round(CHANCE.expovariate(0.1), 3) for _ in range(400)]
"""As skewed as times are."""
FIRST = [CHANCE.randint(10, 20) for _ in TIMES]
SECOND = [count + CHANCE.randint(-2, 5) for count in FIRST]


def alike(one: Interval | None, other: Interval | None) -> bool:
    assert one is not None
    assert other is not None
    return other == pytest.approx(one, abs=0.04 * (one.high - one.low))


def test_only_in_a_large_campaign_and_for_many_values() -> None:
    assert not by_formula(LEAST)
    with formulas(LARGE + 1):
        assert by_formula(LEAST)
        assert not by_formula(LEAST - 1)
        with formulas(LARGE):
            assert not by_formula(LEAST)
        assert by_formula(LEAST)
    assert not by_formula(LEAST)


def test_the_mean_of_skewed_values() -> None:
    resampled = mean_interval(TIMES)
    with formulas(LARGE + 1):
        computed = mean_interval(TIMES)
        same = mean_interval([2.0] * LEAST)
    assert computed != resampled
    assert alike(resampled, computed)
    assert same == (2.0, 2.0)


def test_a_ratio_of_means() -> None:
    resampled = ratio_of_means(FIRST, SECOND)
    with formulas(LARGE + 1):
        computed = ratio_of_means(FIRST, SECOND)
    assert computed != resampled
    assert alike(resampled, computed)


def test_sides_exchanged() -> None:
    differences = [value - 10.9 for value in TIMES]
    exchanged = sign_flip(differences)
    with formulas(LARGE + 1):
        assert sign_flip(differences) == pytest.approx(exchanged, abs=0.02)
        assert sign_flip(TIMES) < 1e-9
        assert sign_flip([0.0] * LEAST) == 1.0


def test_a_ratio_of_99th_percentiles_from_fewer_resamples() -> None:
    with formulas(LARGE + 1):
        few = ratio_of_p99(FIRST, SECOND)
    many = ratio_of_p99(FIRST, SECOND)
    assert few is not None
    assert many is not None
    assert few == pytest.approx(many, abs=0.1)

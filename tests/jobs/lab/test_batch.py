"""Batches of trials, and their seeds."""

from __future__ import annotations

from patchkit.jobs.lab.batch import first_of_batch, seed_of
from tests.support.lab.synthetic import campaign


def test_seeds_are_of_the_trials_number_alone() -> None:
    first, other = campaign(["a"]), campaign(["b", "c"], ["loss-10"])
    assert seed_of(first, 5) == seed_of(other, 5) != seed_of(first, 6)
    assert [first_of_batch(number, 10) for number in (1, 10, 11, 20, 21)] == [1, 1, 11, 11, 21]
    assert [first_of_batch(number, 1) for number in (1, 10, 11)] == [1, 10, 11]

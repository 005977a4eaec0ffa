"""Batches of trials, and their seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit.errors import ReportError
from patchkit.jobs.lab.batch import first_of_batch, refuse_altered, seed_of
from tests.support.lab.synthetic import campaign, lossy


def test_seeds_are_of_the_trials_number_alone() -> None:
    first, other = campaign(["a"]), campaign(["b", "c"], ["loss-10"])
    assert seed_of(first, 5) == seed_of(other, 5) != seed_of(first, 6)
    assert [first_of_batch(number, 10) for number in (1, 10, 11, 20, 21)] == [1, 1, 11, 11, 21]
    assert [first_of_batch(number, 1) for number in (1, 10, 11)] == [1, 10, 11]


def test_a_trial_with_another_seed_is_refused() -> None:
    this = campaign(trials=5)
    trials = lossy(this)
    refuse_altered(Path("report"), this, trials)
    altered = trials[3].model_copy(update={"seed": 7})
    with pytest.raises(ReportError, match=r"^report/trials.jsonl is damaged$") as refusal:
        refuse_altered(Path("report"), this, [*trials[:3], altered])
    assert f"trial {altered.trial} of {altered.cell} has the seed 7, and not {trials[3].seed}" in refusal.value.why

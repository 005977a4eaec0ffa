"""Two campaigns, side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit.errors import ReportError
from patchkit.jobs.lab.compare import compare
from tests.support.lab.synthetic import campaign, lossy, written


def test_before_and_after(tmp_path: Path) -> None:
    this = campaign(trials=60)
    before = written(tmp_path / "before", this, lossy(this))
    quicker = [trial.model_copy(update={"seconds": trial.seconds and trial.seconds / 4}) for trial in lossy(this)]
    after = written(tmp_path / "after", this, quicker)
    compared = compare(before, after)
    assert {comparison.time for comparison in compared.results.comparisons} == {"better"}
    assert {comparison.completion for comparison in compared.results.comparisons} == {"no difference shown"}
    assert len(compared.results.comparisons) == len(this.cells)
    assert (compared.differing, compared.alone) == ([], [])
    same = compare(before, before)
    assert {comparison.time for comparison in same.results.comparisons} == {"no difference shown"}


def test_what_can_be_compared(tmp_path: Path) -> None:
    this = campaign(trials=20)
    first = written(tmp_path / "first", this, lossy(this))
    other = this.model_copy(update={"seed": 9})
    with pytest.raises(ReportError, match="did not meet the same losses"):
        compare(first, written(tmp_path / "other", other, lossy(other)))
    machine = this.machine.model_copy(update={"kernel": "9.9"})
    arms = [arm.model_copy(update={"client": arm.client.model_copy(update={"sha256": "cd"})}) for arm in this.arms]
    changes = {"cells": this.cells[:1], "machine": machine, "patchkit": "9.9", "arms": arms}
    fewer = this.model_copy(update=changes)
    compared = compare(first, written(tmp_path / "fewer", fewer, lossy(fewer)))
    assert compared.alone == [cell.id for cell in this.cells[1:]]
    assert [sentence.partition(":")[0] for sentence in compared.differing] == [
        "the links differ", "the versions of patchkit differ", "the programs differ",
    ]  # fmt: skip
    foreign = campaign(["2.3.2"], trials=20)
    with pytest.raises(ReportError, match="have no cell in common"):
        compare(first, written(tmp_path / "foreign", foreign, lossy(foreign)))

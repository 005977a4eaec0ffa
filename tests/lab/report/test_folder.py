"""A report's folder: begun, gone on with, refused, and whole again after a crash."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from patchkit.errors import ReportError, StorageError
from patchkit.lab.report.folder import CAMPAIGN, TRIALS, Folder, file_stem, in_order, line
from tests.support.lab.synthetic import campaign, cell, lossy, trial

CELL = cell("2.6.14").id


def test_it_is_begun_filled_and_gone_on_with(tmp_path: Path) -> None:
    begun = campaign(trials=3)
    folder = Folder(tmp_path / "a" / "report")
    assert folder.begin(begun) == []
    trials = lossy(begun)
    for finished in trials:
        folder.add([finished])
    assert folder.trials() == trials
    assert folder.campaign() == begun
    # More trials of the same are the same campaign; another patchkit may go on with it.
    longer = begun.model_copy(update={"trials": 5, "patchkit": "1.1"})
    again = Folder(folder.path)
    assert again.resume(longer) == trials
    assert again.campaign() == longer


def test_resume_begins_where_there_is_nothing(tmp_path: Path) -> None:
    assert Folder(tmp_path).resume(campaign()) == []


def test_a_report_is_not_overwritten(tmp_path: Path) -> None:
    Folder(tmp_path).begin(campaign())
    with pytest.raises(ReportError, match="has a report already") as caught:
        Folder(tmp_path).begin(campaign())
    assert "--resume" in caught.value.advice


def test_another_campaign_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    Folder(tmp_path).begin(campaign())
    before = (tmp_path / CAMPAIGN).read_bytes()
    other = campaign().model_copy(update={"seed": 8})
    for differing_campaign, differing in ((other, "seed"), (campaign(scenarios=["loss-10"]), "scenarios, cells")):
        with pytest.raises(ReportError, match="another campaign") as caught:
            Folder(tmp_path).resume(differing_campaign)
        assert caught.value.why == f"these differ: {differing}"
    assert (tmp_path / CAMPAIGN).read_bytes() == before


def test_fewer_trials_would_throw_some_away(tmp_path: Path) -> None:
    Folder(tmp_path).begin(campaign(trials=60))
    with pytest.raises(ReportError, match="60 trials a cell, not 20") as caught:
        Folder(tmp_path).resume(campaign(trials=20))
    assert "--trials 60" in caught.value.advice


def test_no_report_and_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="is not a report"):
        Folder(tmp_path).campaign()
    with pytest.raises(ReportError, match="is not a report"):
        Folder(tmp_path / "missing").campaign()
    for text in ("", "{", "[]", '{"schema_version": 2}'):
        (tmp_path / CAMPAIGN).write_text(text)
        with pytest.raises(ReportError, match="not a campaign of this patchkit"):
            Folder(tmp_path).campaign()


@pytest.mark.parametrize("field", ["arm", "scenario"])
def test_a_cell_of_what_the_campaign_does_not_have(field: str, tmp_path: Path) -> None:
    this = campaign()
    odd = this.model_copy(update={"cells": [this.cells[0].model_copy(update={field: "zzz"})]})
    (tmp_path / CAMPAIGN).write_text(odd.model_dump_json())
    with pytest.raises(ReportError, match="not a campaign of this patchkit") as refusal:
        Folder(tmp_path).campaign()
    assert f"Value error, cell {CELL} is of a" in refusal.value.why


def test_the_files_of_a_trial_have_names_that_every_file_system_takes() -> None:
    assert file_stem("2.6.14/loss-20/leaf-rsa2048", 3) == "2.6.14_loss-20_leaf-rsa2048-3"
    cells = [f"2.6.14 --x {'a' * 300}{end}/clean/leaf-rsa2048" for end in "bc"] + ["2.6.14 --a b/c", "2.6.14 --a_b/c"]
    stems = {file_stem(cell, 1) for cell in cells}
    assert len(stems) == len(cells)
    assert max(map(len, stems)) < 140


def test_a_damaged_line_is_told_and_a_missing_file_is_none(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.trials() == []
    (tmp_path / TRIALS).write_text(f"{line(trial(CELL, 1))}nonsense\n{line(trial(CELL, 2))}")
    with pytest.raises(ReportError, match="is damaged"):
        folder.trials()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seconds", "NaN"),
        ("seconds", "Infinity"),
        ("guest_seconds", "1e300"),
        ("trial", 10**9),
        ("cpu", '{"client": -1}'),
        ("crowd", '{"clients": 1, "completed": 0, "seconds": []}'),
    ],
)
def test_numbers_that_no_statistics_hold_are_damage(field: str, value: object, tmp_path: Path) -> None:
    entry = trial(CELL, 1).model_dump(mode="json")
    entry[field] = "@"
    (tmp_path / TRIALS).write_text(json.dumps(entry).replace('"@"', str(value)) + "\n")
    with pytest.raises(ReportError, match="is damaged") as refusal:
        Folder(tmp_path).trials()
    assert refusal.value.why.startswith(f"line 1: {field}")


def test_trials_that_are_a_pipe_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / TRIALS)
    for read in (Folder(tmp_path).trials, lambda: Folder(tmp_path).resume(campaign())):
        with pytest.raises(StorageError, match="is not a plain file"):
            read()


def test_a_line_without_an_end_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / TRIALS).open("wb") as file:
        file.truncate(1 << 40)  # a hole: it takes no room
    with pytest.raises(ReportError, match="is damaged"):
        Folder(tmp_path).trials()


def test_a_line_that_was_cut_off_is_run_again(tmp_path: Path) -> None:
    """What comes next must not be appended to it."""
    folder = Folder(tmp_path)
    folder.begin(campaign())
    folder.add([trial(CELL, 1)])
    with (tmp_path / TRIALS).open("a") as file:
        file.write(line(trial(CELL, 2))[:-40])
    assert folder.trials() == [trial(CELL, 1)]
    again = Folder(tmp_path)
    assert again.resume(campaign()) == [trial(CELL, 1)]
    again.add([trial(CELL, 2, 1.5)])
    assert again.trials() == [trial(CELL, 1), trial(CELL, 2, 1.5)]


def test_what_was_not_asked_for_is_not_kept(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.begin(campaign(trials=2))
    for offered in (trial(CELL, 1), trial(CELL, 3), trial("another/cell", 1)):
        folder.add([offered])
    assert folder.resume(campaign(trials=2)) == [trial(CELL, 1)]


def test_odd_characters_survive(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    odd = trial(CELL, 1, "crash", detail="a\nb\r\u2028\x85\0 ✓ �")
    folder.add([odd])
    assert folder.trials() == [odd]


def test_trials_are_put_in_order_and_each_is_there_once() -> None:
    whole_campaign = campaign(trials=3)
    trials = lossy(whole_campaign)
    ordered = in_order(whole_campaign, [*reversed(trials), *trials, trial("unknown", 1)])
    cells = [campaign_cell.id for campaign_cell in [*whole_campaign.cells, *whole_campaign.reference]]
    assert [(entry.cell, entry.trial) for entry in ordered] == [(name, n) for name in cells for n in (1, 2, 3)]
    assert sorted(map(line, ordered)) == sorted(map(line, trials))

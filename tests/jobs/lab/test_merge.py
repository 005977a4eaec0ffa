"""Parts of a campaign, put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import NoEvidenceError, ReportError, StormError
from patchkit.jobs.lab.merge import MergeRequest, merge
from patchkit.lab.model.bounds import MOST_TRIALS
from patchkit.lab.model.campaign import Campaign
from patchkit.lab.report.folder import Folder
from patchkit.lab.results.results import results
from patchkit.patching.variants import Bound
from patchkit.shard import Shard
from patchkit.ui import Ui
from tests.support.lab.synthetic import campaign, lossy, written


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Cache(tmp_path / "cache"), Ui(quiet=True))


def parts(folder: Path, of: int, this: Campaign, **changes: Any) -> list[Path]:
    trials = lossy(this)
    return [
        written(folder / str(part), this.model_copy(update={"shard": Shard(of=of, parts=[part]), **changes}), trials)
        for part in range(1, of + 1)
    ]


def merged(folders: Sequence[Path], out: Path, context: Context, *, allow_missing: bool = False) -> Campaign:
    return merge(MergeRequest(folders=folders, out=out, allow_missing=allow_missing), context).campaign


@pytest.mark.slow
@pytest.mark.parametrize(("of", "shift"), [(1, 1), (3, 1), (4, 10)])
def test_the_same_bytes_as_one_machine_would_have_given(of: int, shift: int, tmp_path: Path, context: Context) -> None:
    this = campaign(trials=60)
    this = this.model_copy(update={"machine": this.machine.model_copy(update={"shift": shift})})
    whole = written(tmp_path / "whole", this, lossy(this))
    folders = parts(tmp_path / "parts", of, this)
    for index, folder in enumerate(folders):
        (folder / "logs").mkdir()
        (folder / "logs" / f"{index}.log").write_text("a crash")
    merged(list(reversed(folders)), tmp_path / "merged", context)
    for name in ("trials.jsonl", "campaign.json"):
        assert (tmp_path / "merged" / name).read_bytes() == (whole / name).read_bytes(), name
    assert (tmp_path / "merged" / "results.json").read_text() == results(this, lossy(this)).model_dump_json(
        indent=2
    ) + "\n"
    assert len(list((tmp_path / "merged" / "logs").iterdir())) == of
    sizes = [len((folder / "trials.jsonl").read_text().splitlines()) for folder in folders]
    assert sum(sizes) == len(lossy(this))
    assert max(sizes) - min(sizes) <= shift * (len(this.cells) + 1)


@pytest.mark.slow
def test_what_is_missing_is_named_or_told(tmp_path: Path, context: Context) -> None:
    this = campaign(trials=40)
    folders = parts(tmp_path / "parts", 4, this)
    with pytest.raises(ReportError, match=r"^of 4 parts 2 are missing: 2, 4$") as refusal:
        merged([folders[0], folders[2]], tmp_path / "merged", context)
    assert "--allow-missing" in refusal.value.advice
    assert not (tmp_path / "merged").exists()
    merged([folders[0], folders[2]], tmp_path / "merged", context, allow_missing=True)
    assert "Parts 1, 3 of 4 of the campaign" in (tmp_path / "merged" / "report.md").read_text()
    assert Folder(tmp_path / "merged").campaign().shard == Shard(of=4, parts=[1, 3])
    # What was merged is a part itself, and goes together with the rest.
    assert merged([tmp_path / "merged", folders[1], folders[3]], tmp_path / "all", context) == this


def test_logs_are_taken_as_they_are(tmp_path: Path, context: Context) -> None:
    """Logs may hold any bytes; a folder beside them is left out."""
    folders = parts(tmp_path / "parts", 2, campaign(trials=20))
    (folders[0] / "logs/below").mkdir(parents=True)
    (folders[0] / "logs/x-client.log").write_bytes(b"\xff\xfe not UTF-8")
    merged(folders, tmp_path / "merged", context)
    assert (tmp_path / "merged/logs/x-client.log").read_bytes() == b"\xff\xfe not UTF-8"
    assert not (tmp_path / "merged/logs/below").exists()


def test_a_part_twice(tmp_path: Path, context: Context) -> None:
    folders = parts(tmp_path / "parts", 2, campaign(trials=20))
    with pytest.raises(ReportError, match="part 1 is there twice"):
        merged([*folders, folders[0]], tmp_path / "merged", context)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"seed": 9}, "seed"),
        ({"patchkit": "9.9"}, "patchkit"),
        ({"trials": 10}, "trials"),
        ({"cells": []}, "cells"),
        ({"shard": Shard(of=3, parts=[2])}, "the number of parts"),
    ],
)
def test_parts_of_two_campaigns(changes: dict[str, Any], what: str, tmp_path: Path, context: Context) -> None:
    this = campaign(trials=20)
    first = parts(tmp_path / "a", 2, this)[0]
    second = parts(tmp_path / "b", 2, this, **changes)[1]
    with pytest.raises(ReportError, match="are not parts of one campaign") as refusal:
        merged([first, second], tmp_path / "merged", context)
    assert what in refusal.value.why


def test_a_part_that_is_not_complete_or_none(tmp_path: Path, context: Context) -> None:
    this = campaign(trials=20)
    folders = parts(tmp_path / "parts", 2, this)
    lines = (folders[1] / "trials.jsonl").read_text().splitlines(keepends=True)
    (folders[1] / "trials.jsonl").write_text("".join(lines[:-3]))
    with pytest.raises(ReportError, match=r"/2 is not complete: 3 of \d+ trials are missing") as refusal:
        merged(folders, tmp_path / "merged", context)
    assert f"lab run --resume --out {folders[1]}" in refusal.value.advice
    whole = written(tmp_path / "whole", this, lossy(this))
    with pytest.raises(ReportError, match="is not a part of a campaign"):
        merged([whole], tmp_path / "merged", context)
    for text in ("{", '{"guest_seconds": 1e308, "wall_seconds": 1, "jobs": 1}', '{"guest_seconds": NaN}'):
        (folders[0] / "timing.json").write_text(text)
        with pytest.raises(ReportError, match=r"timing\.json is damaged"):
            merged(folders, tmp_path / "merged", context)


def test_a_part_that_asks_for_more_than_memory_holds_is_not_complete(tmp_path: Path, context: Context) -> None:
    this = campaign(trials=20)
    (folder,) = parts(tmp_path / "parts", 1, this)
    cells = [this.cells[0].model_copy(update={"id": str(number)}) for number in range(2000)]
    huge = Folder(folder).campaign().model_copy(update={"trials": MOST_TRIALS, "cells": cells})
    (folder / "campaign.json").write_text(huge.model_dump_json())
    with pytest.raises(ReportError, match=r"is not complete: 20000000\d\d of 20000000\d\d trials"):
        merged([folder], tmp_path / "merged", context)


def test_a_part_of_a_million_names_few_of_those_that_are_missing(tmp_path: Path, context: Context) -> None:
    this = campaign(trials=1)
    shard = Shard(of=999_999, parts=[1])
    folder = written(tmp_path / "part", this.model_copy(update={"shard": shard}), lossy(this))
    with pytest.raises(ReportError, match=r"of 999999 parts 999998 are missing: 2, 3, .*, 41, …$"):
        merged([folder], tmp_path / "merged", context)


def test_a_trial_that_was_altered_and_appended_is_told(tmp_path: Path, context: Context) -> None:
    """The last of two of one number would count."""
    folders = parts(tmp_path / "parts", 2, campaign(trials=20))
    first = Folder(folders[0]).trials()[0]
    Folder(folders[0]).add([first.model_copy(update={"guest_seconds": 9.0})])
    with pytest.raises(ReportError, match=f"trial {first.trial} of {first.cell} is there twice"):
        merged(folders, tmp_path / "merged", context)


def test_a_trial_in_a_part_that_is_not_its_own_does_not_count(tmp_path: Path, context: Context) -> None:
    folders = parts(tmp_path / "parts", 2, campaign(trials=20))
    first = Folder(folders[0]).trials()[0]
    Folder(folders[1]).add([first.model_copy(update={"guest_seconds": 9.0})])
    merged(folders, tmp_path / "merged", context)
    assert first in Folder(tmp_path / "merged").trials()


def test_trials_that_are_void_without_a_reason(tmp_path: Path, context: Context) -> None:
    this = campaign(trials=1)
    void = [trial.model_copy(update={"outcome": "void", "seconds": None}) for trial in lossy(this)]
    folder = written(tmp_path / "part", this.model_copy(update={"shard": Shard(of=1, parts=[1])}), void)
    with pytest.raises(NoEvidenceError) as caught:
        merged([folder], tmp_path / "merged", context)
    assert "no reason given" in caught.value.why


def test_a_storm_is_told_as_by_a_campaign(tmp_path: Path, context: Context) -> None:
    this = campaign(trials=20)
    strict = Bound(copies=1, per_second=1)
    arms = [arm.model_copy(update={"client": arm.client.model_copy(update={"bound": strict})}) for arm in this.arms]
    folders = parts(tmp_path / "parts", 2, this.model_copy(update={"arms": arms}))
    with pytest.raises(StormError):
        merged(folders, tmp_path / "merged", context)
    assert (tmp_path / "merged" / "report.html").exists()


def test_a_folder_with_a_report_is_not_overwritten(tmp_path: Path, context: Context) -> None:
    folders = parts(tmp_path / "parts", 2, campaign(trials=20))
    with pytest.raises(ReportError, match="has a report already"):
        merged(folders, folders[0], context)

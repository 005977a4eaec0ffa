"""A report's folder: the campaign, its trials and their results. Every file is complete at any moment."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from patchkit.errors import ReportError
from patchkit.json_schema import validated
from patchkit.lab.model.campaign import Campaign
from patchkit.lab.model.trial import Trial
from patchkit.storage import contents, opened, replace_all, writing

_NO_FIELDS: set[str] = set()
_LONGEST_STEM = 120  # characters, of the 255 bytes that a file's name may have
_LONGEST_LINE = 1 << 20  # bytes; that of a crowd of 200 clients has some 5 kB
CAMPAIGN, TRIALS = "campaign.json", "trials.jsonl"


class Folder:
    """``campaign.json`` is written first, then a line of ``trials.jsonl`` for each trial when it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def refuse_taken(self) -> None:
        """Check that the folder has no report. Raises ReportError when it has one."""
        if (self.path / CAMPAIGN).exists():
            raise ReportError(
                f"{self.path} has a report already",
                why="it would be overwritten",
                advice="--resume continues it; otherwise give another --out",
            )

    def begin(self, campaign: Campaign) -> list[Trial]:
        """Write ``campaign`` into the folder, and return the trials of it that are there.

        Raises ReportError when the folder has a report.
        """
        self.refuse_taken()
        return self.resume(campaign)

    def resume(self, campaign: Campaign) -> list[Trial]:
        """Write ``campaign`` into the folder, which may have it already, and return the trials of it that are there.

        Raises ReportError when the folder has another campaign, or one with more trials.
        """
        if (self.path / CAMPAIGN).exists():
            before = self.campaign()
            differing = differences(before, campaign)
            if differing:
                raise ReportError(
                    f"{self.path} is another campaign's",
                    why="these differ: " + ", ".join(differing),
                    advice="give another --out",
                )
            if before.trials > campaign.trials:
                raise ReportError(
                    f"{self.path} has {before.trials} trials a cell, not {campaign.trials}",
                    why="the trials beyond would be lost",
                    advice=f"--trials {before.trials}, or another --out",
                )
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self.write({CAMPAIGN: campaign.model_dump_json(indent=2) + "\n"})
        cells = {cell.id for cell in [*campaign.cells, *campaign.reference]}
        self._cut()
        return [trial for trial in self.trials() if trial.cell in cells and trial.trial <= campaign.trials]

    def campaign(self) -> Campaign:
        """Read the campaign. Raises ReportError when there is none, or when it is not one of this patchkit."""
        path = self.path / CAMPAIGN
        if not path.is_file():
            raise ReportError(
                f"{self.path} is not a report", why=f"it has no {CAMPAIGN}", advice="patchkit lab run --out DIR"
            )
        try:
            return validated(Campaign, contents(path))
        except ValueError as error:
            raise ReportError(
                f"{path} is not a campaign of this patchkit",
                why=str(error),
                advice="take the patchkit that wrote it, or run the campaign again",
            ) from error

    def trials(self) -> list[Trial]:
        """Read all trials, without a last line that was cut off. Raises ReportError when another line is damaged."""
        path = self.path / TRIALS
        trials: list[Trial] = []
        if not os.path.lexists(path):
            return trials
        with opened(path) as lines:
            while line := lines.readline(_LONGEST_LINE):
                if not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
                    break
                try:
                    trials.append(_lean(validated(Trial, line)))
                except ValueError as error:
                    raise ReportError(
                        f"{path} is damaged", why=f"line {len(trials) + 1}: {error}", advice="run the campaign again"
                    ) from error
        return trials

    def _cut(self) -> None:
        """Remove a line that was cut off, or the next one would be appended to it."""
        path = self.path / TRIALS
        if not os.path.lexists(path):
            return
        with opened(path) as file:
            data = file.read()
        if data and not data.endswith(b"\n"):
            replace_all({path: data[: data.rfind(b"\n") + 1]})

    def add(self, trials: Iterable[Trial]) -> None:
        """Append ``trials``; may be called from any thread."""
        path = self.path / TRIALS
        with self._lock, writing(path), path.open("ab") as out:
            out.write("".join(map(line, trials)).encode())

    def write(self, files: dict[str, str]) -> None:
        """Write ``files``, completely or not at all."""
        replace_all({self.path / name: text.encode() for name, text in files.items()})


def _lean(trial: Trial) -> Trial:
    """Return ``trial`` without pydantic's notes of which fields were given: half of its memory."""
    for part in (trial, *trial.traffic.values(), *(traffic.sending for traffic in trial.traffic.values())):
        if part is not None:
            object.__setattr__(part, "__pydantic_fields_set__", _NO_FIELDS)
    return trial


def file_stem(cell: str, trial: int) -> str:
    """Name the files of one ``trial`` of ``cell``: a cell's id has slashes, and spaces before options."""
    stem = cell.replace("/", "_").replace(" ", "_")
    if " " in cell or len(stem) > _LONGEST_STEM:  # of two cells with options the rest may look alike
        stem = f"{stem[:_LONGEST_STEM]}-{hashlib.sha256(cell.encode()).hexdigest()[:8]}"
    return f"{stem}-{trial}"


def line(trial: Trial) -> str:
    """Write the line of ``trial`` in ``trials.jsonl``."""
    return json.dumps(trial.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":")) + "\n"


def in_order(campaign: Campaign, trials: Iterable[Trial]) -> list[Trial]:
    """Sort ``trials`` by cell of ``campaign`` and number, each once."""
    order = {cell.id: n for n, cell in enumerate([*campaign.cells, *campaign.reference])}
    unique = {(trial.cell, trial.trial): trial for trial in trials if trial.cell in order}
    return sorted(unique.values(), key=lambda trial: (order[trial.cell], trial.trial))


def differences(before: Campaign, now: Campaign) -> list[str]:
    """List the fields that differ; the number of trials may differ, so that a campaign can be extended."""
    fields = [name for name in Campaign.model_fields if name not in ("trials", "patchkit")]
    return [name for name in fields if getattr(before, name) != getattr(now, name)]

"""A report's folder: what was asked, what has come, and what it means. Every file is whole at any moment."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from patchkit.errors import ReportError
from patchkit.lab.model.campaign import Campaign
from patchkit.lab.model.trial import Trial
from patchkit.storage import reading, replace_all, writing

CAMPAIGN, TRIALS = "campaign.json", "trials.jsonl"


class Folder:
    """``campaign.json`` is written first, then a line of ``trials.jsonl`` for each trial, as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def refuse_taken(self, *, resume: bool) -> None:
        """Raises ReportError where there is a report that nobody wants to go on with."""
        if (self.path / CAMPAIGN).exists() and not resume:
            raise ReportError(
                f"{self.path} holds a report already",
                why="it would be overwritten",
                advice="--resume goes on with it; otherwise give another --out",
            )

    def begin(self, campaign: Campaign, *, resume: bool) -> list[Trial]:
        """The trials that are there already. Raises ReportError where the folder is another campaign's."""
        self.refuse_taken(resume=resume)
        if (self.path / CAMPAIGN).exists():
            before = self.campaign()
            differing = _differences(before, campaign)
            if differing:
                raise ReportError(
                    f"{self.path} is another campaign's",
                    why="these differ: " + ", ".join(differing),
                    advice="give another --out",
                )
            if before.trials > campaign.trials:
                raise ReportError(
                    f"{self.path} is of {before.trials} trials a cell, not {campaign.trials}",
                    why="what is beyond would be lost",
                    advice=f"--trials {before.trials}, or another --out",
                )
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self.write({CAMPAIGN: campaign.model_dump_json(indent=2) + "\n"})
        wanted = {cell.id for cell in [*campaign.cells, *campaign.reference]}
        self._cut()
        return [trial for trial in self.trials() if trial.cell in wanted and trial.trial <= campaign.trials]

    def campaign(self) -> Campaign:
        """Raises ReportError where there is none, or another patchkit's."""
        path = self.path / CAMPAIGN
        if not path.is_file():
            raise ReportError(
                f"{self.path} is no report", why=f"it has no {CAMPAIGN}", advice="patchkit lab run --out DIR"
            )
        with reading(path):
            data = path.read_bytes()
        try:
            return Campaign.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            raise ReportError(
                f"{path} is not a campaign of this patchkit", why=f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            ) from error

    def trials(self) -> list[Trial]:
        """All trials; a last line that was cut off by a crash is not one. Raises ReportError."""
        try:
            return [Trial.model_validate_json(line) for line in self._lines()[0].splitlines()]
        except ValidationError as error:
            raise ReportError(f"{self.path / TRIALS} is damaged", why=str(error.errors()[0]["msg"])) from error

    def _lines(self) -> tuple[bytes, bytes]:
        """The lines that are whole, and what is left of one that was cut off."""
        path = self.path / TRIALS
        with reading(path):
            data = path.read_bytes() if path.exists() else b""
        end = data.rfind(b"\n") + 1
        return data[:end], data[end:]

    def _cut(self) -> None:
        """Take away a line that was cut off, or the next one would be appended to it."""
        whole, rest = self._lines()
        if rest:
            replace_all({self.path / TRIALS: whole})

    def add(self, trials: Iterable[Trial]) -> None:
        """Append some; from any thread."""
        path = self.path / TRIALS
        with self._lock, writing(path), path.open("ab") as out:
            out.write("".join(map(line, trials)).encode())

    def write(self, files: dict[str, str]) -> None:
        """Files, whole or not at all."""
        replace_all({self.path / name: text.encode() for name, text in files.items()})


def file_stem(cell: str, trial: int) -> str:
    """How the files of one trial are called: a cell's id has slashes."""
    return f"{cell.replace('/', '_')}-{trial}"


def line(trial: Trial) -> str:
    """A trial's line in ``trials.jsonl``."""
    return json.dumps(trial.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":")) + "\n"


def in_order(campaign: Campaign, trials: Iterable[Trial]) -> list[Trial]:
    """By cell and number, each once."""
    order = {cell.id: n for n, cell in enumerate([*campaign.cells, *campaign.reference])}
    unique = {(trial.cell, trial.trial): trial for trial in trials if trial.cell in order}
    return sorted(unique.values(), key=lambda trial: (order[trial.cell], trial.trial))


def _differences(before: Campaign, now: Campaign) -> list[str]:
    """What would make the trials that are there another campaign's; more trials of the same are welcome."""
    fields = [name for name in Campaign.model_fields if name not in ("trials", "patchkit")]
    return [name for name in fields if getattr(before, name) != getattr(now, name)]

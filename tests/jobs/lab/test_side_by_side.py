"""A campaign's trials side by side, with a link that gives at once what a real one takes time for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from patchkit.errors import GuestError, StorageError
from patchkit.jobs.lab.batch import FinishedTrial
from patchkit.jobs.lab.campaign import _Job
from patchkit.jobs.lab.runners import LocalRunner
from patchkit.lab.link.binaries import Binary
from patchkit.lab.link.run_output import RunOutput
from patchkit.lab.model.campaign import Cell, LinkDescription
from patchkit.lab.model.trial import Trial
from patchkit.lab.report.folder import Folder
from patchkit.ui import Ui
from tests.support.lab.synthetic import campaign, trial


class SlowLink:
    """Its trials last until they are stopped; the first one fails or not."""

    described = LinkDescription(link="netns", guest="x", qemu=None, kernel="x", shift=10)

    def __init__(self) -> None:
        self.stopped = False

    def prepare(self, *_: object) -> None:
        """Nothing."""

    def run(self, *_: object) -> list[RunOutput]:
        while not self.stopped:
            time.sleep(0.01)
        raise GuestError("stopped")

    def stop(self) -> None:
        self.stopped = True


class Broken(Folder):
    error: BaseException

    def add(self, trials: Iterable[Trial]) -> None:  # noqa: ARG002
        raise self.error


class OneThatEnds(LocalRunner):
    """The first cell's trials are there at once."""

    def submit(self, cell: Cell, numbers: Sequence[int]) -> Future[list[FinishedTrial]]:  # noqa: ARG002
        if cell == self.campaign.cells[0]:
            return self._pool.submit(lambda: [FinishedTrial(trial(cell.id, 1), {})])
        return self._pool.submit(self.link.run)  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("error", [StorageError("the disk is full"), KeyboardInterrupt()], ids=["full", "^C"])
def test_what_happens_while_trials_are_kept_ends_the_others_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    todo = campaign(trials=20)
    link, folder = SlowLink(), Broken(tmp_path)
    folder.error = error
    program = Binary(todo.arms[0].client, b"")
    runner = OneThatEnds(todo, {program.program.sha256: program}, link, 2)
    job = _Job(todo, runner, folder, Ui(quiet=True), [])
    with pytest.raises(type(error)):
        job.work()
    assert link.stopped
    assert [finished.trial for finished in job.finish().trials] == [1]
    assert folder.trials() == [trial(todo.cells[0].id, 1)]

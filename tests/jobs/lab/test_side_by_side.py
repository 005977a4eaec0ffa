"""A campaign's trials side by side, with a link that gives at once what a real one takes time for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from patchkit.errors import GuestError, StorageError
from patchkit.jobs.lab.campaign import _Job
from patchkit.lab.link.binaries import Binary
from patchkit.lab.link.processes import RunOutput
from patchkit.lab.model.campaign import LinkDescription
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


@pytest.mark.parametrize("error", [StorageError("the disk is full"), KeyboardInterrupt()], ids=["full", "^C"])
def test_what_happens_while_trials_are_kept_ends_the_others_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    todo = campaign(trials=20)
    link, folder = SlowLink(), Broken(tmp_path)
    folder.error = error
    program = Binary(todo.arms[0].client, b"")
    job = _Job(todo, link, folder, {program.program.sha256: program}, 2, Ui(quiet=True), [])
    cells = todo.cells

    def work(cell: object, numbers: object) -> object:
        return (lambda: [trial(cells[0].id, 1)]) if cell is cells[0] else link.run

    monkeypatch.setattr(job, "_batch", work)
    with pytest.raises(type(error)):
        job.work()
    assert link.stopped
    assert [finished.trial for finished in job.finish().trials] == [1]
    assert folder.trials() == [trial(cells[0].id, 1)]

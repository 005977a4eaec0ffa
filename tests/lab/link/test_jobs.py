"""A campaign's trials side by side, with a link that gives at once what a real one takes time for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from patchkit.building.settings import BuildSettings
from patchkit.cache import Cache
from patchkit.errors import GuestError, StorageError
from patchkit.jobs.lab.batch import first_of_shift, seed_of
from patchkit.jobs.lab.campaign import _Job, resume_command
from patchkit.jobs.lab.request import NewCampaignRequest, asked_for
from patchkit.lab.link.binaries import Asked, Binary, unpacked
from patchkit.lab.link.processes import Ran
from patchkit.lab.model.campaign import Machine, Program
from patchkit.lab.model.trial import Trial
from patchkit.lab.report.folder import Folder
from patchkit.packaging.manifest import Artifact
from patchkit.source.obtain import SourceRequest
from patchkit.ui import Ui
from tests.support.lab.synthetic import campaign, trial


class SlowLink:
    """Its trials last until they are stopped; the first one fails or not."""

    described = Machine(link="netns", guest="x", qemu=None, kernel="x", shift=10)

    def __init__(self) -> None:
        self.stopped = False

    def prepare(self, *_: object) -> None:
        """Nothing."""

    def run(self, *_: object) -> list[Ran]:
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

    monkeypatch.setattr(job, "_shift", work)
    with pytest.raises(type(error)):
        job.work()
    assert link.stopped
    assert [one.trial for one in job.finish().trials] == [1]
    assert folder.trials() == [trial(cells[0].id, 1)]


def test_a_branch_is_built_again_from_its_commit() -> None:
    program = Program(release="git.3de926089fde", variant="early", version="2.8_git", sha256="ab" * 32)
    assert asked_for(program) == Asked("3de926089fde", "early")


def test_the_command_that_resumes_asks_for_the_same_settings() -> None:
    request = NewCampaignRequest(pairs=[], scenarios={}, out=Path("r"))
    assert resume_command(request, offline=False) == ["patchkit", "lab", "run", "--resume", "--out", "r"]
    settings = BuildSettings(engine="host", openssl_sources=["x", "y"], features=["systemd"], cflags=["-std=gnu17"])
    request = replace(request, source=SourceRequest(git="/a b"), settings=settings)
    assert resume_command(request, offline=True)[6:] == [
        "--git", "/a b", "--engine", "host", "--openssl-source", "x", "--openssl-source", "y", "--with", "systemd",
        "--cflag=-std=gnu17", "--offline",
    ]  # fmt: skip


def test_seeds_are_of_the_trials_number_alone() -> None:
    one, other = campaign(["a"]), campaign(["b", "c"], ["loss-10"])
    assert seed_of(one, 5) == seed_of(other, 5) != seed_of(one, 6)
    assert [first_of_shift(n) for n in (1, 10, 11, 20, 21)] == [1, 1, 11, 11, 21]


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\0\0\0\0\0"])
def test_a_damaged_archive_of_a_program(tmp_path: Path, content: bytes) -> None:
    artifact = Artifact.model_construct(name="openvpn-2.6.14")
    with pytest.raises(StorageError):
        unpacked(artifact, tmp_path, variant="stock", guard=False)
    (tmp_path / "openvpn-2.6.14.tar.gz").write_bytes(content)
    with pytest.raises(GuestError, match="can't be read"):
        unpacked(artifact, tmp_path, variant="stock", guard=False)


def test_a_cache_by_a_relative_name_is_the_same_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATCHKIT_CACHE", "my cache")
    assert Cache.default().root == tmp_path / "my cache"

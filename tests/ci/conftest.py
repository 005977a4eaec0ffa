"""What jobs are fed with: this checkout as a repository, upstream's tags, and an API."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conftest import ROOT
from tests.support.ci.machine import Line
from tests.support.ci.tracker import Tracker, tracker
from tests.support.patching.samples import ALLMAN
from tests.support.schedule import is_nightly
from tests.support.source.samples import Repository

_PASSED = pytest.StashKey[set[tuple[str, str]]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep which tests went well: what all walks together have executed is known only when all have ended."""
    report = yield
    if report.when == "call" and report.passed:
        item.session.stash.setdefault(_PASSED, set()).add((item.module.__name__, item.name))
    return report


@pytest.fixture(scope="module")
def walked() -> set[Line]:
    """The lines that a module's walks have executed."""
    return set()


@pytest.fixture
def by_night(request: pytest.FixtureRequest) -> frozenset[str]:
    """The jobs whose lines only a nightly run executes; none in such a run."""
    jobs = ("part", "merge", "build-part", "build-merge")
    both = frozenset(f"{prefix}{job}" for prefix in ("", "patchkit-") for job in jobs)
    return frozenset() if request.config.getoption("--nightly") else both


@pytest.fixture
def all_walked(walked: set[Line], by_night: frozenset[str], request: pytest.FixtureRequest) -> set[Line]:
    """The lines, once every other test of the module is through; skips where one is not."""
    passed: set[tuple[str, str]] = request.session.stash.get(_PASSED, set())
    tests = [name for name in vars(request.module) if name.startswith("test_") and name != request.node.name]
    if by_night:
        tests = [name for name in tests if not is_nightly(f"{request.path.name}::{name}")]
    if absent := [name for name in tests if (request.module.__name__, name) not in passed]:
        pytest.skip(f"not all walks were walked to their end, here and now: {', '.join(absent)}")
    return walked


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    """A folder for the machines of a module, one after the other, with one environment for all of them.

    The environment knows its path, and so every machine has the same one. The first job sets it up, and it is kept; a
    hook, which git runs when a job has cloned patchkit, links it into later clones. The jobs' own lines stay.
    """
    with TemporaryDirectory(prefix="patchkit-walk-") as name:
        folder = Path(name)
        hook = folder / "template/hooks/post-checkout"
        hook.parent.mkdir(parents=True)
        hook.write_text(
            f"#!/bin/sh\n[ -e .venv ] || [ ! -d {folder}/environment ] || ln -s {folder}/environment .venv\n"
        )
        for path in (folder, hook):
            path.chmod(0o755)
        yield folder


@pytest.fixture
def top(ground: Path) -> Iterator[Path]:
    """The folder of one machine, empty; its jobs' clones get the environment of all."""
    folder = ground / "machine"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_TEMPLATE_DIR", str(ground / "template"))
        yield folder
    for environment in (folder / "temp/patchkit/.venv", folder / "work/.patchkit/.venv"):
        if (environment / "requirements.lock.stamp").is_file() and not environment.is_symlink():  # it is whole
            environment.rename(ground / "environment")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """patchkit as it is in this checkout, committed or not, as a repository and a commit."""
    repository = Repository(tmp_path_factory.mktemp("source") / "patchkit")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (repository.path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, repository.path / name)
    repository.git("add", "--all")
    return str(repository.path), repository.commit({})


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    """Two releases that no pin knows: the variant applies to the first and is refused by the second."""
    repository = Repository(tmp_path / "upstream")
    path = "src/openvpn/reliable.c"
    repository.commit({path: ALLMAN.encode()})
    repository.tag("v2.9.0")
    repository.commit({path: ALLMAN.replace("sequence broken", "is full").encode()})
    repository.tag("v2.9.1")
    return repository


@pytest.fixture
def api() -> Iterator[Tracker]:
    with tracker() as api:
        yield api

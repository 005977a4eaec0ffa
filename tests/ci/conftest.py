"""What jobs are fed with: this checkout as a repository, upstream's tags, and an API."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.ci.machine import Line
from tests.support.ci.tracker import Tracker, tracker
from tests.support.patching.samples import ALLMAN
from tests.support.source.samples import Repository

_PASSED = pytest.StashKey[set[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep which tests went well: what all walks together have executed is known only when all have ended."""
    report = yield
    if report.when == "call" and report.passed:
        item.session.stash.setdefault(_PASSED, set()).add(item.nodeid)
    return report


@pytest.fixture(scope="module")
def walked() -> set[Line]:
    """The lines that a module's walks have executed."""
    return set()


@pytest.fixture
def all_walked(walked: set[Line], request: pytest.FixtureRequest) -> set[Line]:
    """The same, once every other test of the module is through; skips where one is not."""
    passed = request.session.stash.get(_PASSED, set())
    tests = [name for name in vars(request.module) if name.startswith("test_") and name != request.node.name]
    if absent := [name for name in tests if f"{request.node.parent.nodeid}::{name}" not in passed]:
        pytest.skip(f"not all walks were walked to their end, here and now: {', '.join(absent)}")
    return walked


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """patchkit as it is in this checkout, committed or not, as a repository and a commit."""
    made = Repository(tmp_path_factory.mktemp("source") / "patchkit")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (made.path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, made.path / name)
    made.git("add", "--all")
    return str(made.path), made.commit({})


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    """Two releases that no pin knows: the variant applies to the first and is refused by the second."""
    made = Repository(tmp_path / "upstream")
    path = "src/openvpn/reliable.c"
    made.commit({path: ALLMAN.encode()})
    made.tag("v2.9.0")
    made.commit({path: ALLMAN.replace("sequence broken", "is full").encode()})
    made.tag("v2.9.1")
    return made


@pytest.fixture
def api() -> Iterator[Tracker]:
    with tracker() as one:
        yield one

"""A fork that runs ``patchkit`` is what a new Python would be."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run
from tests.support.processes import wait_until_gone
from tests.support.starts.client import Started, run, start


def fresh(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "patchkit", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", ["--version", "releases --json", "build --version 2.99", "no-such-command", "--help"])
def test_the_same_output_and_code_as_a_new_python(words: str, patchkit: Run, tmp_path: Path) -> None:
    ours, theirs = patchkit(*words.split()), fresh(*words.split(), folder=tmp_path)
    assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)


@pytest.mark.parametrize(("env", "is_fork"), [({"PATCHKIT_CACHE": "/nowhere"}, True), ({"LC_ALL": "C"}, False)])
def test_what_counts_for_imports_starts_a_new_python(env: dict[str, str], is_fork: bool, tmp_path: Path) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    process = start(["--version"], tmp_path, {**os.environ, **env}, (null, null, null))
    os.close(null)
    assert process.wait(60) == 0
    assert isinstance(process, Started) == is_fork


def test_folder_environment_and_umask_are_handed_on(patchkit: Run, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        done = patchkit("variants", "new", "of-mine", env={"PATCHKIT_CACHE": str(tmp_path / "cache")})
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    made = next(path for path in tmp_path.rglob("patch.toml"))
    assert made.stat().st_mode & 0o777 == 0o600


def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    ours, theirs = os.pipe()  # nothing ever comes from it
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run(["diagnose", "-"], tmp_path, os.environ, 1, stdin=ours)
    os.close(ours)
    os.close(theirs)
    assert time.monotonic() - began < 30


def test_a_killed_one_has_the_code_of_its_signal(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    process = start(["diagnose", "-"], tmp_path, os.environ, (ours, theirs, theirs))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.kill()
    assert process.wait(60) == -9
    os.close(ours)
    os.close(theirs)


ENDED = """
import os, signal
from pathlib import Path
from tests.support.starts.client import _server, run

run(["--version"], Path.cwd(), os.environ, 60)
print(_server()._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_the_server_ends_with_tests_that_are_killed() -> None:
    done = subprocess.run([sys.executable, "-c", ENDED], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -9
    wait_until_gone(int(done.stdout))

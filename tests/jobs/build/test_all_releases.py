"""Many releases in one go: several at a time, what fails is listed, a second run goes on where the first stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from patchkit.errors import (
    BadUsageError,
    NetworkUnavailableError,
    OfflineError,
    PlacesExhaustedError,
    UnknownVersionError,
)
from patchkit.jobs.build.all_releases import final_releases
from tests.conftest import PINNED, Run
from tests.support.jobs.builds import GIT, left_overs, run
from tests.support.settings import SOONER

NEWEST = "2.7.7"
"""From here on, the pins know releases that today's Debian pool has, and perhaps one that it has not."""


def build_all(out: Path, *more: str) -> list[str]:
    return ["build", "--all-releases", "--since", NEWEST, "--crypto", "system", "--engine", "host", *SOONER,
            "--out", str(out), *more]  # fmt: skip


def test_only_final_releases_are_meant() -> None:
    versions = [release.version.text for release in final_releases(None)]
    assert len(versions) == len(set(versions)) == 86
    assert versions[0] == "2.1.0"
    assert not [version for version in versions if "_" in version or "-" in version]
    assert final_releases("2.7")[0].version.text == "2.7.0"
    with pytest.raises(UnknownVersionError):
        final_releases("2.9")


@pytest.mark.parametrize(
    "arguments",
    [["build"], ["build", "--all-releases", "--version", "2.6.14"], ["build", "--version", "2.6.14", "--since", "2.6"],
     ["build", "--all-releases", "--source", "x"], ["build", "--all-releases", "--keep-build"],
     ["build", "--all-releases", "--verbose"], ["build", "--version", "2.6.14", "--shard", "1/2"]],
    ids=["neither", "both", "since-of-one", "source-of-all", "keep-all", "all-at-length", "part-of-one"],
)  # fmt: skip
def test_which_releases_must_be_said_once(arguments: list[str], patchkit: Run) -> None:
    done = patchkit(*arguments)
    assert done.returncode == BadUsageError.exit_code, done.stderr


def test_what_failed_says_for_which_target(tmp_path: Path, patchkit: Run) -> None:
    """No cache, no network: neither target gets as far as a source."""
    done = patchkit(
        "build", "--version", PINNED, "--target", "windows-amd64", "--target", "linux-amd64", "--engine", "host",
        "--offline", "--keep-going", "--json", env={"PATCHKIT_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == OfflineError.exit_code, done.stderr
    failed = json.loads(done.stdout)["failed"]
    assert [(failure["version"], failure["target"]) for failure in failed] == [
        (PINNED, "windows-amd64"),
        (PINNED, "linux-amd64"),
    ]
    for target in ("windows-amd64", "linux-amd64"):
        assert f"error: {PINNED} for {target}: " in done.stderr


@pytest.mark.slow
def test_all_are_built_or_listed_and_found_again(tmp_path: Path) -> None:
    versions = [release.version.text for release in final_releases(NEWEST)]
    first = subprocess.run(
        [sys.executable, "-P", "-m", "patchkit", *build_all(tmp_path, "--variant", "stock", "--keep-going", "--json")],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    document = json.loads(first.stdout)
    built = [outcome["version"] for outcome in document["outcomes"] if outcome["artifact"]]
    failed = {failure["version"]: failure["exit_code"] for failure in document["failed"]}
    assert sorted([*built, *failed]) == sorted(versions), first.stderr
    if not built:
        pytest.skip(f"no place in reach has any of {versions} today")
    assert set(failed.values()) <= {NetworkUnavailableError.exit_code, PlacesExhaustedError.exit_code}
    assert first.returncode == (next(iter(failed.values())) if failed else 0)
    assert all(version in first.stderr for version in versions)
    began = time.monotonic()
    again = subprocess.run(
        [sys.executable, "-P", "-m", "patchkit", *build_all(tmp_path, "--variant", "stock", "--keep-going", "--json")],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert time.monotonic() - began < 60
    assert [outcome["version"] for outcome in json.loads(again.stdout)["outcomes"] if not outcome["fresh"]] == built
    parts = []
    for number in (1, 2):
        # A copy of what is there: each part finds its own in it, and takes no other's.
        parts.append(tmp_path / f"part-{number}")
        shutil.copytree(tmp_path, parts[-1], ignore=shutil.ignore_patterns("part-*"))
        words = build_all(parts[-1], "--variant", "stock", "--keep-going", "--shard", f"{number}/2")
        subprocess.run([sys.executable, "-P", "-m", "patchkit", *words], capture_output=True, timeout=300, check=False)
    run("dist", "merge", *map(str, parts), "--out", str(tmp_path / "whole"))
    for name in ("manifest.json", "SHA256SUMS"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupt_ends_all_that_runs(number: int, tmp_path: Path) -> None:
    """Also where the parent is killed: who works for it hears of that, and tidies up."""
    if not GIT:
        pytest.skip("PATCHKIT_GIT is not set to a full clone of upstream")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-P", "-m", "patchkit", "build", "--all-releases", "--since", "2.6.20", "--git", GIT,
               "--crypto", "system", "--engine", "host", "--jobs", "2", "--out", str(tmp_path / "dist")]  # fmt: skip
    with subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(temporary)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 300
        # Asked once more, the answer may be another: configure's probes last no longer than that.
        while not (at_work := compilers(temporary)) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert at_work
    assert process.returncode == (130 if number != signal.SIGKILL else -signal.SIGKILL)
    deadline = time.monotonic() + 20
    while left_overs(temporary, process.pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left_overs(temporary, process.pid) == []
    assert not compilers(temporary)
    assert not (tmp_path / "dist/manifest.json").exists()


def compilers(temporary: Path) -> bool:
    """Whether a compiler works below this folder."""
    process_ids = subprocess.run(["pgrep", "-x", "cc1"], check=False, capture_output=True, text=True).stdout.split()
    for number in process_ids:
        try:
            if Path(f"/proc/{number}/cwd").readlink().is_relative_to(temporary):
                return True
        except OSError:
            continue
    return False

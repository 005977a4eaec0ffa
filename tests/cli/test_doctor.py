"""``patchkit doctor`` as its users meet it."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from patchkit.cli.options import PurposeChoice
from patchkit.jobs.doctor.checks import PURPOSES
from patchkit.source.fetch import debian
from tests.conftest import ROOT, Run
from tests.support.starts import client as starts


def test_the_purposes_that_can_be_named_are_those_there_are() -> None:
    assert [purpose.value for purpose in PurposeChoice] == list(PURPOSES)


def test_all_is_well(patchkit: Run) -> None:
    done = patchkit("doctor", "matrix")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split()[:2] == ["git", "works"]
    assert "matrix: ready" in done.stderr


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """A PATH without git, on whatever distribution this is."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return {"PATH": str(folder), "PATCHKIT_CACHE": str(tmp_path / "cache")}


def test_what_is_missing_has_an_exit_code_of_its_own(bare: dict[str, str], patchkit: Run) -> None:
    done = patchkit("doctor", "matrix", "--json", env=bare)
    assert done.returncode == 90, done.stderr
    document = json.loads(done.stdout)
    (finding,) = document["findings"]
    assert (finding["name"], finding["state"]) == ("git", "missing")
    assert "there is no git in PATH" in finding["detail"]
    assert document["purposes"] == [{"purpose": "matrix", "works": False, "by": [], "lacks": ["git"]}]
    assert "error: not ready for matrix" in done.stderr
    if document["package_manager"] == "apt":
        assert finding["fix"] == "apt-get update && apt-get install -y --no-install-recommends git"


@pytest.mark.parametrize(
    ("words", "expected"), [(["--fix"], "--fix --yes"), (["--yes"], "goes with --fix"), (["lunch"], "lunch")]
)
def test_bad_usage(words: list[str], expected: str, bare: dict[str, str], patchkit: Run) -> None:
    done = patchkit("doctor", *words, env=bare)
    assert done.returncode == 2
    assert expected in done.stderr


@pytest.mark.parametrize(("answer", "asked"), [("n", False), ("y", True), ("", False)])
def test_fix_asks_on_a_terminal(answer: str, asked: bool, bare: dict[str, str], tmp_path: Path) -> None:
    """apt-get is a script here that only notes that it was called: so git is missing afterwards as well."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        pytest.skip("wants Debian, and root")
    script = Path(bare["PATH"], "apt-get")
    script.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/called\n')
    script.chmod(0o755)
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = starts.run(["doctor", "matrix", "--fix"], tmp_path, {**os.environ, **bare}, 60, stdin=theirs)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 90
    assert "apt-get install -y --no-install-recommends git\nRun them? [y/N] " in done.stderr
    assert (tmp_path / "called").exists() == asked


@pytest.mark.parametrize("words", [("--json",), ()])
def test_a_command_that_did_not_help_is_an_error_of_its_own(
    words: tuple[str, ...], bare: dict[str, str], patchkit: Run
) -> None:
    """apt-get is a script here that fails as apt-get does where a package is not available."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        pytest.skip("wants Debian, and root")
    script = Path(bare["PATH"], "apt-get")
    script.write_text('#!/bin/sh\necho "E: Unable to locate package $1"\nexit 100\n')
    script.chmod(0o755)
    done = patchkit("doctor", "matrix", "--fix", "--yes", *words, env=bare)
    assert done.returncode == 91
    assert "error: apt-get failed with exit code 100\n    E: Unable to locate package update\n" in done.stderr
    assert "try: apt-get update\n" in done.stderr
    # The first that fails ends it: nothing is installed from lists that are not there.
    assert "==> apt-get install" not in done.stderr
    if words:
        assert json.loads(done.stdout)["error"] == "MendError"


@pytest.mark.slow
def test_fix_installs_what_is_missing(tmp_path: Path) -> None:
    """A Debian of its own, in which git is really missing, and apt really installs it."""
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        pytest.skip("wants root and mmdebstrap")
    system = tmp_path / "system"
    locked = subprocess.run(
        ["unshare", "--mount", "--", "mmdebstrap", "--quiet", "--variant=apt", "bookworm", str(system),
         *debian.sources("bookworm")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert locked.returncode == 0, locked.stderr
    shutil.copy("/etc/resolv.conf", system / "etc/resolv.conf")
    # This Python and this checkout, as they are here: a mount namespace takes them away again.
    places = dict.fromkeys([str(ROOT), sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent)])
    mounts = [f"mkdir -p {system}{place} && mount --rbind -o ro {place} {system}{place}" for place in places
              if not place.startswith("/usr")]  # fmt: skip
    if len(mounts) < len(places):
        mounts += [f"mount --rbind {place} {system}{place}" for place in ("/usr/lib/python3", "/usr/local")]
    code = (
        f"{' && '.join(mounts)} && mount -t proc proc {system}/proc && mount --rbind /dev {system}/dev && "
        f'exec chroot {system} env PATCHKIT_CACHE=/tmp/cache "$@"'
    )

    def inside(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["unshare", "--mount", "--", "sh", "-c", code, "sh", *command], capture_output=True, text=True, check=False
        )

    doctor = [sys.executable, "-P", "-m", "patchkit", "doctor", "matrix"]
    if inside(sys.executable, "-c", "import pydantic").returncode != 0:
        pytest.skip("this Python does not run in that Debian")
    assert inside("git", "--version").returncode == 127
    assert inside(*doctor).returncode == 90
    fixed = inside(*doctor, "--fix", "--yes", "--json")
    assert fixed.returncode == 0, fixed.stderr
    assert [finding["state"] for finding in json.loads(fixed.stdout)["findings"]] == ["works"]
    assert "==> apt-get install -y --no-install-recommends git" in fixed.stderr
    assert inside("git", "--version").returncode == 0
    again = inside(*doctor, "--fix", "--yes")
    assert (again.returncode, "apt-get" in again.stderr) == (0, False)
    shutil.rmtree(system)  # 300 MB that pytest would keep

"""ci/patchkit as a newcomer runs it: a fresh checkout, in a folder with a blank in its name, from elsewhere."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from patchkit import __version__
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("my checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def launch(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(checkout / "ci/patchkit"), *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_set_up_once_then_silent_and_never_another_checkouts_code(checkout: Path, tmp_path: Path) -> None:
    first = launch(checkout, "--version")
    assert (first.returncode, first.stdout) == (0, f"patchkit {__version__}\n"), first.stderr
    assert "setting up" in first.stderr
    assert launch(checkout, "--version").stderr == ""
    # Copied with its environment, it must not run the code that it was copied from.
    copy = tmp_path / "copy"
    shutil.copytree(checkout, copy, symlinks=True)
    init = copy / "patchkit/__init__.py"
    init.write_text(init.read_text().replace(__version__, "9.9.9"))
    assert launch(copy, "--version").stdout == "patchkit 9.9.9\n"


def test_scripts_are_posix_sh() -> None:
    scripts = [
        *ROOT.glob("ci/*.sh"),
        ROOT / "ci/install",
        ROOT / "ci/patchkit",
        ROOT / "ci/test",
        ROOT / ".ci/run",
        ROOT / "docker/handshake.sh",
    ]
    for script in scripts:
        subprocess.run(["sh", "-n", str(script)], check=True)

"""ci/patchkit as a newcomer runs it: a fresh checkout, in a folder with a blank in its name, from elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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


NEEDED = ["cat", "cksum", "cp", "dirname", "flock", "mktemp", "printf", "rm", "sh", "tail"]
COMPILER, LAB, OPENPGP = "build-essential", "qemu-system-x86", "gpg"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout that is set up, on a Debian that lacks every package: apt-get is a script that notes its calls."""
    for name in ("ci/patchkit", "ci/setup.sh", "docker/toolchains.toml", "requirements.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    scripts = {
        ".venv/bin/python": f'[ "$1" != -P ] || {{ echo "$@"; exit; }}\nexec {sys.executable} "$@"',
        "bin/apt-get": f'echo "$@" >>{tmp_path}/called',
        "bin/dpkg-query": '[ "$*" = "-W dpkg" ]',
        "bin/id": "echo ${USER_ID:-0}",
    }
    for name, text in scripts.items():
        script = tmp_path / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)
    for name in NEEDED:
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    stamp = f'. "$0"; root={tmp_path} venv={tmp_path}/.venv; stamp requirements.lock >"$venv/requirements.lock.stamp"'
    subprocess.run(["sh", "-c", stamp, tmp_path / "ci/setup.sh"], env={"PATH": f"{tmp_path}/bin"}, check=True)
    return tmp_path


def prepared(bare: Path, *arguments: str, **env: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """What became of a command, and what it has installed before."""
    done = subprocess.run(
        [bare / "ci/patchkit", *arguments], env={"PATH": f"{bare}/bin", **env}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    called = (bare / "called").read_text() if (bare / "called").exists() else ""
    return done, set(called.split()) & {COMPILER, LAB, OPENPGP}


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("releases", set()),
        ("build --version 2.6.14", {COMPILER}),
        ("prove --version 2.6.14", {COMPILER}),
        ("lab run --version 2.6.14", {COMPILER, LAB}),
        ("verify --version 2.6.14", {COMPILER, LAB, OPENPGP}),
        ("verify --since 2.6 --new", {OPENPGP}),
    ],
)
def test_each_command_installs_what_it_needs(bare: Path, command: str, wanted: set[str]) -> None:
    done, installed = prepared(bare, *command.split())
    assert (done.returncode, done.stdout) == (0, f"-P -m patchkit {command}\n"), done.stderr
    assert installed == wanted


def test_who_is_not_root_is_told_by_patchkit_alone(bare: Path) -> None:
    """Which reads the options first, and has one line for all: two lists of packages before it helped nobody."""
    done, installed = prepared(bare, "verify", "--version", "2.6.14", USER_ID="1000")
    assert (done.returncode, done.stdout) == (0, "-P -m patchkit verify --version 2.6.14\n"), done.stderr
    assert installed == set()
    assert "apt-get" not in done.stderr


UV_LOCK = "uv==2 \\\n    --hash=sha256:2 \\\n    --hash=sha256:3\n"
LOCK = f"before==1 \\\n    --hash=sha256:1\n{UV_LOCK}xy==4 \\\n    --hash=sha256:4\n"
BY_PIP, OF_UV, BY_UV = "pip {root}/requirements.lock", "pip {root}/.venv/uv.lock", "uv {root}/requirements.lock"


@pytest.mark.parametrize(
    ("env", "calls"),
    [
        ({}, [OF_UV, BY_UV]),
        ({"PIP_INDEX_URL": "https://name:secret@mirror.example/simple"}, [OF_UV, BY_UV]),
        ({"UV_FAILS": "1"}, [OF_UV, BY_UV, BY_PIP]),  # no way to the index but one that pip knows
        ({"NO_UV": "1"}, [OF_UV, BY_PIP]),  # none for this processor
        ({"PIP_NO_INDEX": "1"}, [BY_PIP]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_uv_installs_what_is_locked_and_otherwise_pip(tmp_path: Path, env: dict[str, str], calls: list[str]) -> None:
    (tmp_path / "requirements.lock").write_text(LOCK)
    scripts = {
        "python": """for last; do :; done
case "$*" in
    *" config get "*) exit 1 ;;
    *) echo "pip $last" >>"$CALLS" ;;
esac
case "$last" in *uv.lock) [ -z "${NO_UV-}" ] ;; esac""",
        "uv": """for last; do :; done
echo "uv $last" >>"$CALLS"
case "$*" in *secret*) exit 1 ;; esac
[ "${UV_DEFAULT_INDEX-}" = "${PIP_INDEX_URL-}" ] && [ -z "${UV_FAILS-}" ]""",
    }
    for name, text in scripts.items():
        script = tmp_path / ".venv/bin" / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)
    install = f'. "$0"; root={tmp_path} venv={tmp_path}/.venv; install_locked requirements.lock'
    subprocess.run(
        ["sh", "-euc", install, ROOT / "ci/setup.sh"],
        env={"PATH": os.environ["PATH"], "CALLS": str(tmp_path / "calls"), **env}, check=True,
    )  # fmt: skip
    assert (tmp_path / "calls").read_text().splitlines() == [call.format(root=tmp_path) for call in calls]
    assert (tmp_path / ".venv/uv.lock").read_text() == UV_LOCK


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

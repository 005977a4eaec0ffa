"""The README's transcript of a build is what a build prints today."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from patchkit.building.toolchain import known_target
from tests.conftest import PINNED, ROOT
from tests.support.docs.readme import README

COMMAND = f"# ./ci/patchkit build --version {PINNED}"
# What may differ from one machine, or one day, to the next, and what stands for it here.
_VARIES = [
    (r"\b\d+\.\d s\b", "T s"),
    (r"^ *from \S+$", "from PLACE"),  # one of several that have the same bytes
    (r"host: cc .*", "host: cc"),
    (r"(\.tar\.gz) +\d+ kB +(T s) +[0-9a-f]{64}$", r"\1 SIZE \2 HASH"),  # the compiler decides
]


def normal(line: str) -> str:
    """The line without what varies; columns are as wide as their widest cell, so blanks count as one."""
    for varies, instead in _VARIES:
        line = re.sub(varies, instead, line)
    return " ".join(line.split())


def transcript() -> list[str]:
    """The lines below the command, up to the next paragraph."""
    return README.partition(COMMAND + "\n")[2].partition("\n\n")[0].splitlines()


def test_its_first_lines_are_what_the_set_up_says() -> None:
    installing, setting_up = (line.split() for line in transcript()[:2])
    script = (ROOT / "ci/setup.sh").read_text()
    assert 'say "installing $missing"' in script
    assert 'say "setting up $venv"' in script
    assert (installing[0], setting_up) == ("installing", ["setting", "up", "/patchkit/.venv"])
    wanted = {"python3-venv", *known_target("linux-amd64").packages}
    assert wanted - set(installing[1:]) <= {"perl"}  # a fresh Debian with git has it
    assert set(installing[1:]) <= wanted


@pytest.mark.slow
def test_the_rest_is_what_a_build_prints(tmp_path: Path) -> None:
    """With nothing in the cache, as on the fresh machine that the transcript is of."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "patchkit", *COMMAND.split()[2:], "--engine", "host"],
        cwd=tmp_path, env={**os.environ, "PATCHKIT_CACHE": str(tmp_path / "cache")},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert [normal(line) for line in done.stdout.splitlines()] == [normal(line) for line in transcript()[2:]]

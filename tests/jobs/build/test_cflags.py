"""A build with flags of the user's: they are in the program, and a program without them is told from it."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path

import pytest

from patchkit.building.flags import check_program
from patchkit.errors import CompileError
from tests.conftest import PINNED
from tests.support.jobs.builds import run, unpack
from tests.support.jobs.series import ProgramOf

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the flags are of x86-64"),
]
SANITIZERS = ["-fsanitize=address", "-fsanitize=undefined"]
FLAGS = [*SANITIZERS, "-march=x86-64-v2"]


def test_sanitizers_and_a_machine(tmp_path: Path, program_of: ProgramOf) -> None:
    """The smoke test, with its handshakes, has run with the sanitizers."""
    flags = [f"--cflag={flag}" for flag in FLAGS]
    done = run("build", "--version", PINNED, "--variant", "stock", "--json", "--engine", "host", *flags,
               "--out", str(tmp_path / "out"))  # fmt: skip
    (outcome,) = json.loads(done.stdout)["outcomes"]
    assert outcome["artifact"]["build"]["added_cflags"] == FLAGS
    assert set(FLAGS) <= set(outcome["artifact"]["build"]["cflags"])
    program = unpack(tmp_path / "out" / f"openvpn-{PINNED}-linux-amd64.tar.gz", tmp_path) / "sbin/openvpn"
    needed = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout
    assert ("libasan.so" in needed, "libubsan.so" in needed) == (True, True)
    check_program(SANITIZERS, program.read_bytes())
    plain = program_of("2.6", "stock").read_bytes()
    for flag in SANITIZERS:
        with pytest.raises(CompileError, match="no effect"):
            check_program([flag], plain)

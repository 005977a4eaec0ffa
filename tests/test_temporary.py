"""Temporary folders of killed processes: the next run removes them, and nobody else's."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from patchkit import temporary
from patchkit.jobs.doctor import disk
from patchkit.jobs.doctor.distribution import Distribution
from patchkit.jobs.doctor.model import Probe, run_probe
from tests.conftest import ROOT

RUN = """
import sys
from pathlib import Path
from patchkit.temporary import temporary
with temporary("uml-", Path(sys.argv[1])) as folder:
    (folder / "memory").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    input()
"""


def started(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_run_has_left_goes_and_a_living_ones_stays(tmp_path: Path) -> None:
    killed, left = started(tmp_path)
    killed.kill()
    killed.communicate()
    living, used = started(tmp_path)
    (tmp_path / "patchkit-of-somebody").mkdir()
    assert not left.exists()  # the second one's start has removed it
    assert used.exists()
    assert temporary.remove_left(tmp_path) == []
    living.communicate("\n")
    assert living.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["patchkit-of-somebody"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_other_users_folders_are_left_alone(tmp_path: Path) -> None:
    killed, left = started(tmp_path)
    killed.kill()
    killed.communicate()
    os.chown(left, 65534, 65534)
    assert temporary.remove_left(tmp_path) == []


def test_doctor_finds_them_and_names_what_removes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "parents", lambda: [tmp_path])
    probe = Probe("leftovers", "", disk.leftovers)
    assert run_probe(probe, Distribution("any")).state == "works"
    killed, left = started(tmp_path)
    killed.kill()
    killed.communicate()
    found = run_probe(probe, Distribution("any"))
    assert (found.state, found.fix) == ("broken", f"rm -rf -- {left}")
    subprocess.run(shlex.split(found.fix), check=True)
    assert run_probe(probe, Distribution("any")).state == "works"

"""`patchkit lab kernel`, as users run it: with a kernel of their own, and with something else in its place."""

from __future__ import annotations

import json
from pathlib import Path

from patchkit.lab.guest.kernel import changes
from patchkit.storage import sha256_of
from tests.conftest import Run
from tests.support.lab.answering_kernel import answering


def test_what_it_is_as_json(patchkit: Run, tmp_path: Path) -> None:
    program = answering(tmp_path, mark=f"{changes.MARK}{changes.SYSCALL_NS}")
    done = patchkit("lab", "kernel", "--json", env={"PATCHKIT_UML": str(program)})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("config")
    assert found == {
        "program": str(program),
        "digest": sha256_of(program),
        "release": "7.4.1 (PATCHKIT_UML)",
        "syscall_ns": changes.SYSCALL_NS,
        "size": program.stat().st_size,
    }


def test_something_else_is_refused(patchkit: Run) -> None:
    done = patchkit("lab", "kernel", "--json", env={"PATCHKIT_UML": "/bin/true"})
    assert done.returncode == 61
    assert json.loads(done.stdout)["what"] == "/bin/true is not a kernel of User-Mode Linux"

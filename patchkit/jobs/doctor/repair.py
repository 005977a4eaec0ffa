"""Run the commands that mend what was found."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence

from patchkit.errors import MendError
from patchkit.jobs.doctor.distribution import Distribution, Step
from patchkit.jobs.doctor.model import ProbeResult
from patchkit.ui import Ui

_BECOME = ("sudo", "doas")
_QUIET = ("DEBIAN_FRONTEND", "noninteractive")  # or packages ask questions of their own


def plan(found: Sequence[ProbeResult], distribution: Distribution) -> list[Step]:
    """Every command that helps, once: one installation for all packages, then the rest in order."""
    bad = [one for one in found if one.state != "works"]
    packages = list(dict.fromkeys(name for one in bad for name in one.packages))
    steps = [*distribution.install(packages), *(step for one in bad for step in one.steps)]
    return list({tuple(step.command): step for step in steps}.values())


def shown(step: Step) -> str:
    """The command as it will run, for a shell."""
    return shlex.join(_as_root(step))


def run(steps: Sequence[Step], ui: Ui) -> None:
    """Run them one after the other. Raises MendError for the first that fails, with what it said."""
    if any(step.root for step in steps) and os.geteuid() != 0 and not _become():
        raise MendError(
            "these commands want root",
            why="\n".join(shlex.join(step.command) for step in steps if step.root),
            advice="run patchkit doctor --fix as root",
        )
    for step in steps:
        command = _as_root(step)
        ui.step(shlex.join(command))
        said: list[str] = []
        with ui.log(step.command[0]) as show:
            code = _run(command, said, show)
        if code != 0:
            raise MendError(
                f"{step.command[0]} failed with exit code {code}",
                why="\n".join(said[-5:]),
                advice=shlex.join(command),
            )


def _run(command: Sequence[str], said: list[str], show: Callable[[str], None]) -> int:
    try:
        process = subprocess.Popen(
            command, env=os.environ | dict([_QUIET]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        )  # fmt: skip
    except OSError as error:
        said.append(f"{command[0]}: {error.strerror}")
        return 127
    with process:
        for line in process.stdout or ():
            said.append(line.rstrip("\n"))
            show(said[-1])
    return process.returncode


def _become() -> str:
    return next((one for one in _BECOME if shutil.which(one)), "")


def _as_root(step: Step) -> Sequence[str]:
    become = _become() if step.root and os.geteuid() != 0 else ""
    # Neither of them hands the environment on by itself.
    return [become, "env", f"{_QUIET[0]}={_QUIET[1]}", *step.command] if become else step.command

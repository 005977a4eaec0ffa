"""Run the commands that repair what the probes found."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence

from patchkit.errors import MendError
from patchkit.jobs.doctor.checks import Readiness
from patchkit.jobs.doctor.distribution import Distribution, Step
from patchkit.jobs.doctor.model import ProbeResult
from patchkit.ui import Ui

_LONGEST = 3600.0  # seconds for one command; an installation from a slow mirror takes minutes
_BECOME = ("sudo", "doas")
_QUIET = ("DEBIAN_FRONTEND", "noninteractive")  # or packages ask questions of their own


def plan(results: Sequence[ProbeResult], distribution: Distribution) -> list[Step]:
    """Return every command that helps, once: one installation of all packages, then the other steps in order."""
    failed = [result for result in results if result.state != "works"]
    # In the order of the line that a build prints, which is then the same.
    packages = sorted({name for result in failed for name in result.packages})
    steps = [*distribution.install(packages), *(step for result in failed for step in result.steps)]
    return list({tuple(step.command): step for step in steps}.values())


def as_root(results: Sequence[ProbeResult], ready: Sequence[Readiness], distribution: Distribution) -> str:
    """Return one line for a shell of root's that makes ready what is not ``ready``; empty where root is not needed.

    What other purposes or other ways would need is left out.
    """
    lacking = {name for purpose in ready if not purpose.works for name in purpose.lacks}
    steps = plan([result for result in results if result.name in lacking], distribution)
    return " && ".join(shlex.join(step.command) for step in steps if step.root)


def shown(step: Step) -> str:
    """Return the command of ``step`` as it will run, for a shell."""
    return shlex.join(_as_root(step))


def run(steps: Sequence[Step], ui: Ui) -> None:
    """Run ``steps`` in order.

    Raises MendError for the first that fails, or where one needs root and there is neither sudo nor doas.
    """
    if any(step.root for step in steps) and os.geteuid() != 0 and not _become():
        raise MendError(
            "these commands need root",
            why="\n".join(shlex.join(step.command) for step in steps if step.root),
            advice="run patchkit doctor --fix as root",
        )
    for step in steps:
        command = _as_root(step)
        ui.step(shlex.join(command))
        output: list[str] = []
        with ui.log(step.command[0]) as show:
            code = _run(command, output, show)
        if code != 0:
            raise MendError(
                f"{step.command[0]} failed with exit code {code}",
                why="\n".join(output[-5:]),
                advice=shlex.join(command),
            )


def _run(command: Sequence[str], output: list[str], show: Callable[[str], None]) -> int:
    try:
        process = subprocess.Popen(
            command, env=os.environ | dict([_QUIET]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        )  # fmt: skip
    except OSError as error:
        output.append(f"{command[0]}: {error.strerror}")
        return 127
    clock = threading.Timer(_LONGEST, process.kill)
    clock.daemon = True
    clock.start()
    with process:
        for line in process.stdout or ():
            output.append(line.rstrip("\n"))
            show(output[-1])
    if not clock.is_alive():
        output.append(f"{command[0]}: ended after {_LONGEST:g} s")
    clock.cancel()
    return process.returncode


def _become() -> str:
    return next((command for command in _BECOME if shutil.which(command)), "")


def _as_root(step: Step) -> Sequence[str]:
    become = _become() if step.root and os.geteuid() != 0 else ""
    # Neither sudo nor doas passes the environment on.
    return [become, "env", f"{_QUIET[0]}={_QUIET[1]}", *step.command] if become else step.command

"""A probe, its result, and how one becomes the other: the vocabulary of ``patchkit doctor``."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from patchkit.errors import PatchkitError, fault
from patchkit.jobs.doctor.distribution import Distribution, Step

State = Literal["works", "missing", "broken"]


class FaultError(Exception):
    """A probe failed, and names what helps. Raised and caught within this package, so it has no exit code."""

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        advice: str = "",
        state: State = "broken",
        packages: Sequence[str] = (),
        steps: Sequence[Step] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.advice = advice
        self.state: State = state
        self.packages = packages
        self.steps = steps


@dataclass(frozen=True)
class ProbeResult:
    """The outcome of one probe."""

    name: str
    state: State
    needed_for: str
    detail: str
    """What worked, or why it did not, in one line."""
    advice: str = ""
    """What helps where no command is known."""
    packages: Sequence[str] = ()
    """Missing packages, by the names of this distribution's package manager."""
    steps: Sequence[Step] = ()
    """Commands that help, besides the installation of packages."""
    fix: str = ""
    """Installation and steps as one line for a shell; empty where nothing is wrong or no command is known."""


@dataclass(frozen=True)
class Probe:
    """A check that does what a build or the lab would do."""

    name: str
    needed_for: str
    attempt: Callable[[], str]
    """Runs the check and returns what worked, in one line. Raises FaultError or PatchkitError where it does not."""
    kit: str = ""
    """The key of the packages in packages.toml that the check needs."""
    commands: Sequence[str] = field(default=())
    """What must be in PATH: a failed check is ``missing`` where one is not, and ``broken`` where all are."""


def run_probe(probe: Probe, distribution: Distribution) -> ProbeResult:
    """Run ``probe``, and where it fails look up what helps on ``distribution``.

    An OSError, RuntimeError or ValueError of the probe is a result, too, and so is a program that does not end.
    """
    try:
        return ProbeResult(probe.name, "works", probe.needed_for, probe.attempt())
    except FaultError as failure:
        return _failed(probe, failure, distribution)
    except PatchkitError as error:
        return _failed(probe, FaultError(error.what, why=error.why, advice=error.advice), distribution)
    except (subprocess.SubprocessError, MemoryError) as error:
        told = fault(error)
        return _failed(probe, FaultError(told.what, why=told.why, advice=told.advice), distribution)
    except (OSError, RuntimeError, ValueError) as error:
        return _failed(probe, FaultError(f"{type(error).__name__}: {error}"), distribution)


def _failed(probe: Probe, fault: FaultError, distribution: Distribution) -> ProbeResult:
    absent = any(shutil.which(command) is None for command in probe.commands)
    packages = fault.packages
    if probe.kit and not fault.steps:
        packages = distribution.lacking(probe.kit)
        if not packages and absent:
            packages = distribution.kit(probe.kit)
    lines = [fault.what, *fault.why.splitlines()]
    repairs = [*distribution.install(packages), *fault.steps]
    return ProbeResult(
        probe.name,
        "missing" if absent or packages else fault.state,
        probe.needed_for,
        ": ".join(filter(None, (line.strip() for line in lines[:3]))),
        fault.advice,
        packages,
        fault.steps,
        " && ".join(shlex.join(step.command) for step in repairs),
    )

"""What is tried, and what was found: the vocabulary of ``patchkit doctor``."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from patchkit.errors import PatchkitError
from patchkit.jobs.doctor.distribution import Distribution, Step

State = Literal["works", "missing", "broken"]


class FaultError(Exception):
    """A probe failed, and the probe knows itself what helps. It never leaves this package, so it has no exit code."""

    def __init__(
        self, what: str, *, why: str = "", advice: str = "", state: State = "broken", steps: Sequence[Step] = ()
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.advice = advice
        self.state: State = state
        self.steps = steps


@dataclass(frozen=True)
class ProbeResult:
    """One thing that was tried."""

    name: str
    state: State
    needed_for: str
    detail: str
    """What it did, or why it did not, in one line."""
    advice: str = ""
    """What helps where no command does."""
    packages: Sequence[str] = ()
    """What this distribution's package manager shall install."""
    steps: Sequence[Step] = ()
    """Commands that help besides."""
    fix: str = ""
    """Both as one line for a shell; empty where nothing is to be done, or no command is known that does it."""


@dataclass(frozen=True)
class Probe:
    """Something that is tried by doing it."""

    name: str
    needed_for: str
    attempt: Callable[[], str]
    """What it did, in one line. Raises PatchkitError where it could not."""
    kit: str = ""
    """The key of its packages in packages.toml."""
    programs: Sequence[str] = field(default=())
    """Without one of these in PATH it is missing; with all of them, and failing, it is broken."""


def run_probe(probe: Probe, distribution: Distribution) -> ProbeResult:
    """Make the attempt, and find what helps where it fails. An error that is none of ours is a finding, too."""
    try:
        return ProbeResult(probe.name, "works", probe.needed_for, probe.attempt())
    except FaultError as fault:
        return _failed(probe, fault, distribution)
    except PatchkitError as error:
        return _failed(probe, FaultError(error.what, why=error.why, advice=error.advice), distribution)
    except (OSError, RuntimeError, ValueError) as error:
        return _failed(probe, FaultError(f"{type(error).__name__}: {error}"), distribution)


def _failed(probe: Probe, fault: FaultError, distribution: Distribution) -> ProbeResult:
    absent = any(shutil.which(program) is None for program in probe.programs)
    packages: Sequence[str] = ()
    if probe.kit and not fault.steps:
        packages = distribution.lacking(probe.kit)
        if not packages and absent:
            packages = distribution.kit(probe.kit)
    lines = [fault.what, *fault.why.splitlines()]
    commands = [*distribution.install(packages), *fault.steps]
    return ProbeResult(
        probe.name,
        "missing" if absent or packages else fault.state,
        probe.needed_for,
        ": ".join(filter(None, (line.strip() for line in lines[:3]))),
        fault.advice,
        packages,
        fault.steps,
        " && ".join(shlex.join(step.command) for step in commands),
    )

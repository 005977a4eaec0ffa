"""Who builds many releases: processes of this machine, or wherever else a crew has them built."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Protocol

from patchkit import signals
from patchkit.context import Context
from patchkit.errors import PatchkitError, fault
from patchkit.jobs.build.outcome import Outcome, ReleaseOutcome
from patchkit.jobs.build.release import build
from patchkit.jobs.build.request import BuildRequest
from patchkit.ui import Ui

_TIDYING = 60.0  # seconds for all processes to remove their containers and folders


class Crew(Protocol):
    """Builds releases, several at a time."""

    @property
    def running(self) -> Sized:
        """What is being built."""

    def room(self) -> int:
        """Return how many may be on their way."""

    def start(self, request: BuildRequest) -> None:
        """Begin to build what ``request`` asks for: one release for one target."""

    def finished(self) -> Iterator[ReleaseOutcome]:
        """Wait until something has ended, and yield the outcome of each that has; an error is in its outcome."""

    def close(self) -> None:
        """End what runs, and wait until it has tidied up."""


@dataclass
class LocalCrew:
    """Processes of this machine: an interrupt or a crash of one ends only that one."""

    context: Context
    jobs: int
    running: dict[Connection, tuple[ForkProcess, BuildRequest]] = field(default_factory=dict)

    def room(self) -> int:
        return max(1, self.jobs)

    def start(self, request: BuildRequest) -> None:
        context = get_context("fork")
        sys.stdout.flush()
        sys.stderr.flush()
        here, there = context.Pipe(duplex=False)
        # A signal between fork and _work would find the parent's handlers in the child.
        with signals.held_off():
            process = context.Process(target=_work, args=(request, replace(self.context, ui=Ui(io.StringIO())), there))
            process.start()
        there.close()
        self.running[here] = (process, request)

    def finished(self) -> Iterator[ReleaseOutcome]:
        """Wait until a process has ended, and yield the outcome of each that has."""
        for ready in wait(list(self.running)):
            if not isinstance(ready, Connection):
                continue
            process, request = self.running[ready]
            try:
                built = ready.recv()
            except EOFError:
                process.join()
                error = PatchkitError(
                    f"the process that built {request.source.version} ended without a word",
                    why=f"exit code {process.exitcode}: killed, perhaps for want of memory",
                    advice=f"patchkit build --version {request.source.version} --target {request.target}",
                )
                built = ReleaseOutcome(request.source.version, request.target, error=error)
            process.join()
            ready.close()
            del self.running[ready]
            yield built

    def close(self) -> None:
        """End what runs, as ^C would, and wait until it has tidied up; kill what takes too long for that."""
        with signals.held_off():
            for process, _ in self.running.values():
                process.terminate()
            until = time.monotonic() + _TIDYING
            for connection, (process, _) in self.running.items():
                process.join(max(0.0, until - time.monotonic()))
                if process.is_alive():
                    process.kill()
                    process.join(_TIDYING)
                connection.close()
            self.running.clear()


def _work(request: BuildRequest, context: Context, answer: Connection) -> None:
    """In a process of its own: one release."""
    signals.begin_worker()
    signals.watch_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    try:
        built = outcome_of(request, context)
    except KeyboardInterrupt:
        os._exit(130)
    answer.send(built)


def outcome_of(request: BuildRequest, context: Context) -> ReleaseOutcome:
    """Build what ``request`` asks for; whatever goes wrong is in the outcome, with the warnings and the time taken."""
    began = time.monotonic()
    outcomes: Sequence[Outcome] = ()
    failure: PatchkitError | None = None
    try:
        outcomes = build(request, context)
    except PatchkitError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - the outcome carries it
        if os.environ.get("PATCHKIT_DEBUG"):
            traceback.print_exc()
        failure = fault(error)
    return ReleaseOutcome(
        request.source.version, request.target, outcomes, failure,
        seconds=time.monotonic() - began, warnings=context.ui.warnings,
    )  # fmt: skip

"""Build many releases, several at a time: a process each, so that an interrupt or a crash of one is its own affair."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess

from packaging.version import Version as Pep440

from patchkit import signals
from patchkit.context import Context
from patchkit.errors import PatchkitError, UnknownVersionError, fault
from patchkit.jobs.build.plan import Order
from patchkit.jobs.build.release import Outcome, build
from patchkit.releases.catalog import Release, catalog
from patchkit.releases.version import Version
from patchkit.ui import Ui


@dataclass(frozen=True)
class Built:
    """What became of one release on one target."""

    version: str
    target: str
    outcomes: Sequence[Outcome] = ()
    error: PatchkitError | None = None
    """What failed before any variant could be tried."""
    seconds: float = 0.0
    warnings: Sequence[str] = ()

    @property
    def failure(self) -> PatchkitError | None:
        """The first thing that went wrong."""
        return self.error or next((one.error for one in self.outcomes if one.error), None)


def final_releases(since: str | None) -> list[Release]:
    """The pinned releases that are no pre-releases, oldest first. Raises UnknownVersionError where none is left."""
    oldest = Pep440(f"{Version.parse(since).pep440}.dev0") if since else Pep440("0")
    found = [one for one in catalog().releases if not one.version.pep440.is_prerelease and one.version.pep440 >= oldest]
    if not found:
        raise UnknownVersionError(f"there is no release since {since}", advice="patchkit releases")
    return found


def build_many(order: Order, versions: Sequence[str], context: Context) -> Iterator[Built]:
    """Build each of the versions as ``order`` says, as many at a time as it has jobs, in the order they are done.

    Raises the first error, unless the order says to keep going; what runs then is ended, and leaves nothing.
    What an earlier run has built is found, not built again.
    """
    waiting = [
        replace(order, request=replace(order.request, version=version), jobs=1, lenient=True) for version in versions
    ]
    with closing(_Crew(context)) as crew:
        total = len(waiting)
        done = 0
        while waiting or crew.running:
            while waiting and len(crew.running) < max(1, order.jobs):
                crew.start(waiting.pop(0))
            for built in crew.finished():
                done += 1
                for text in built.warnings:
                    context.ui.warn(text)
                context.ui.note(f"[{done}/{total}] {built.version}: {_in_words(built)}")
                yield built
                if built.failure is not None and not order.keep_going:
                    raise built.failure


def _in_words(built: Built) -> str:
    if built.error is not None:
        return f"failed, {built.error.what}"
    said = [
        f"{one.variant} {'failed' if one.error else 'built' if one.fresh else 'up to date'}" for one in built.outcomes
    ]
    return f"{', '.join(said)} ({built.seconds:.0f} s)"


@dataclass
class _Crew:
    """The processes that are at work."""

    context: Context
    running: dict[Connection, tuple[ForkProcess, Order]] = field(default_factory=dict)

    def start(self, order: Order) -> None:
        context = get_context("fork")
        sys.stdout.flush()
        sys.stderr.flush()
        here, there = context.Pipe(duplex=False)
        # A signal between fork and _work would find the parent's handlers in the child.
        with signals.held_off():
            process = context.Process(target=_work, args=(order, replace(self.context, ui=Ui(io.StringIO())), there))
            process.start()
        there.close()
        self.running[here] = (process, order)

    def finished(self) -> Iterator[Built]:
        """What is done by now; waits until something is."""
        for ready in wait(list(self.running)):
            if not isinstance(ready, Connection):
                continue
            process, order = self.running[ready]
            try:
                built = ready.recv()
            except EOFError:
                process.join()
                error = PatchkitError(
                    f"the process that built {order.request.version} ended without a word",
                    why=f"exit code {process.exitcode}: killed, perhaps for want of memory",
                    advice=f"patchkit build --version {order.request.version} --target {order.target}",
                )
                built = Built(order.request.version, order.target, error=error)
            process.join()
            ready.close()
            del self.running[ready]
            yield built

    def close(self) -> None:
        """End what runs, as ^C would, and wait until it has tidied up."""
        with signals.held_off():
            for process, _ in self.running.values():
                process.terminate()
            for connection, (process, _) in self.running.items():
                process.join()
                connection.close()
            self.running.clear()


def _work(order: Order, context: Context, answer: Connection) -> None:
    """In a process of its own: one release."""
    signals.begin_worker()
    signals.watch_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    began = time.monotonic()
    version = order.request.version
    try:
        built = Built(version, order.target, build(order, context))
    except PatchkitError as error:
        built = Built(version, order.target, error=error)
    except KeyboardInterrupt:
        os._exit(130)
    except Exception as error:  # noqa: BLE001 - it is told to whoever waits for this release
        if os.environ.get("PATCHKIT_DEBUG"):
            traceback.print_exc()
        built = Built(version, order.target, error=fault(error))
    answer.send(replace(built, seconds=time.monotonic() - began, warnings=context.ui.warnings))

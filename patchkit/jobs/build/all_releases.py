"""Build one release or many, for one target or several.

Many releases are built several at a time, each in a process of its own: an interrupt or a crash of one ends only that
one."""

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
from patchkit.jobs.build import parts
from patchkit.jobs.build.outcome import ReleaseOutcome
from patchkit.jobs.build.release import build
from patchkit.jobs.build.request import BuildRequest, ReleasesRequest
from patchkit.releases.catalog import Release, catalog
from patchkit.releases.version import Version
from patchkit.ui import Ui

_TIDYING = 60.0  # seconds for all processes to remove their containers and folders


def final_releases(since: str | None) -> list[Release]:
    """Return the pinned releases from ``since`` on that are not pre-releases, oldest first.

    Raises UnknownVersionError where there is none.
    """
    oldest = Pep440(f"{Version.parse(since).pep440}.dev0") if since else Pep440("0")
    releases = [
        release
        for release in catalog().releases
        if not release.version.pep440.is_prerelease and release.version.pep440 >= oldest
    ]
    if not releases:
        raise UnknownVersionError(f"there is no release since {since}", advice="patchkit releases")
    return releases


def build_releases(request: ReleasesRequest, context: Context) -> list[ReleaseOutcome]:
    """Build what ``request`` asks for, target by target; one outcome for each release and target.

    Raises what :meth:`ReleasesRequest.validate` and ``build`` raise. With ``keep_going``, a release or target that
    fails does not keep the others back: the error is in its outcome.
    """
    request.validate()
    outcomes: list[ReleaseOutcome] = []
    for build_request in request.by_target():
        if request.all_releases:
            versions = parts.of(request, [release.version.text for release in final_releases(request.since)])
            jobs = build_request.settings.jobs
            context.ui.step(f"{len(versions)} releases for {build_request.target}, {jobs} at a time")
            built = list(build_many(build_request, versions, context))
            outcomes += sorted(built, key=lambda outcome: versions.index(outcome.version))
        else:
            outcomes.append(_build_one(build_request, context, alone=len(set(request.targets)) == 1))
    if request.shard is not None:
        parts.record(request, outcomes)
    return outcomes


def _build_one(request: BuildRequest, context: Context, *, alone: bool) -> ReleaseOutcome:
    version = request.source.version
    if not alone:
        context.ui.step(f"For {request.target}")
    try:
        return ReleaseOutcome(version, request.target, build(request, context))
    except PatchkitError as error:
        if not request.keep_going or alone:
            raise
        return ReleaseOutcome(version, request.target, error=error)


def build_many(request: BuildRequest, versions: Sequence[str], context: Context) -> Iterator[ReleaseOutcome]:
    """Build each of ``versions`` as ``request`` says, as many at a time as it has jobs, in the order they are done.

    Raises the first error, unless the request says to keep going; the builds that run then are ended, and leave
    nothing. What an earlier run has built is found, not built again.
    """
    waiting = [
        replace(request, source=request.source.of(version), settings=replace(request.settings, jobs=1), lenient=True)
        for version in versions
    ]
    with closing(_Crew(context)) as crew:
        total = len(waiting)
        done = 0
        while waiting or crew.running:
            while waiting and len(crew.running) < max(1, request.settings.jobs):
                crew.start(waiting.pop(0))
            for outcome in crew.finished():
                done += 1
                for text in outcome.warnings:
                    context.ui.warn(text)
                context.ui.note(f"[{done}/{total}] {outcome.version}: {_in_words(outcome)}")
                yield outcome
                if outcome.failure is not None and not request.keep_going:
                    raise outcome.failure


def _in_words(built: ReleaseOutcome) -> str:
    if built.error is not None:
        return f"failed, {built.error.what}"
    states = [
        f"{outcome.variant} {'failed' if outcome.error else 'built' if outcome.fresh else 'up to date'}"
        for outcome in built.outcomes
    ]
    return f"{', '.join(states)} ({built.seconds:.0f} s)"


@dataclass
class _Crew:
    """The processes that are at work."""

    context: Context
    running: dict[Connection, tuple[ForkProcess, BuildRequest]] = field(default_factory=dict)

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
    began = time.monotonic()
    version = request.source.version
    try:
        built = ReleaseOutcome(version, request.target, build(request, context))
    except PatchkitError as error:
        built = ReleaseOutcome(version, request.target, error=error)
    except KeyboardInterrupt:
        os._exit(130)
    except Exception as error:  # noqa: BLE001 - the outcome carries it to the parent
        if os.environ.get("PATCHKIT_DEBUG"):
            traceback.print_exc()
        built = ReleaseOutcome(version, request.target, error=fault(error))
    answer.send(replace(built, seconds=time.monotonic() - began, warnings=context.ui.warnings))

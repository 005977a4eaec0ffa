"""Build one release or many, for one target or several: many releases are built several at a time, by a crew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

from packaging.version import Version as Pep440

from patchkit.context import Context
from patchkit.errors import PatchkitError, UnknownVersionError
from patchkit.jobs.build import parts
from patchkit.jobs.build.crew import Crew, LocalCrew
from patchkit.jobs.build.every_target import every_target
from patchkit.jobs.build.outcome import ReleaseOutcome
from patchkit.jobs.build.release import build
from patchkit.jobs.build.request import BuildRequest, ReleasesRequest
from patchkit.jobs.build.shared_work import SharedWork
from patchkit.releases.catalog import Release, catalog
from patchkit.releases.version import Version


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
    fails does not keep the others back: the error is in its outcome. On a cluster also raises ClusterError and
    NotRepeatedError.
    """
    request.validate()
    request, outcomes = every_target(request, context)
    shared = SharedWork()
    if request.on is not None:
        from patchkit.jobs.build.cluster_crew import refuse_what_stays_here

        refuse_what_stays_here(request)
    with _crew(request, context) as crew:
        for build_request in request.by_target():
            if request.all_releases:
                versions = parts.versions_of_part(
                    request, [release.version.text for release in final_releases(request.since)]
                )
                jobs = build_request.settings.jobs if request.on is None else crew.room()
                context.ui.step(f"{len(versions)} releases for {build_request.target}, {jobs} at a time")
            elif request.on is not None:
                versions = [build_request.source.version]
            else:
                alone = len(set(request.targets)) == 1 and not request.every
                outcomes.append(_build_one(build_request, context, shared, alone=alone))
                continue
            built = list(build_many(build_request, versions, crew, context))
            outcomes += sorted(built, key=lambda outcome: versions.index(outcome.version))
    if request.shard is not None:
        parts.record(request, outcomes)
    return outcomes


@contextmanager
def _crew(request: ReleasesRequest, context: Context) -> Iterator[Crew]:
    """Open the crew of ``request``; whatever it builds at the end of the context is ended, and leaves nothing."""
    if request.on is not None:
        from patchkit.jobs.build.cluster_crew import cluster_crew

        with cluster_crew(request.on, context) as crew:
            yield crew
    else:
        with closing(LocalCrew(context, request.build.settings.jobs)) as local:
            yield local


def _build_one(request: BuildRequest, context: Context, shared: SharedWork, *, alone: bool) -> ReleaseOutcome:
    version = request.source.version
    if not alone:
        context.ui.step(f"For {request.target}")
    try:
        return ReleaseOutcome(version, request.target, build(request, context, shared))
    except PatchkitError as error:
        if not request.keep_going or alone:
            raise
        return ReleaseOutcome(version, request.target, error=error)


def build_many(
    request: BuildRequest, versions: Sequence[str], crew: Crew, context: Context
) -> Iterator[ReleaseOutcome]:
    """Let ``crew`` build each of ``versions`` as ``request`` says, as many at a time as it has room for.

    Yields outcomes in the order they are done. Raises the first error, unless the request says to keep going, and what
    the crew raises. What an earlier run has built is found, not built again.
    """
    waiting = [
        replace(request, source=request.source.of(version), settings=replace(request.settings, jobs=1), lenient=True)
        for version in versions
    ]
    total = len(waiting)
    done = 0
    while waiting or len(crew.running):
        while waiting and len(crew.running) < crew.room():
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

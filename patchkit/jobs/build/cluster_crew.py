"""Builds on a cluster: a release for a target is a unit of work, and its artifacts come into the client's folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from patchkit.cache import Cache
from patchkit.cluster.client import Cluster, Input, connected
from patchkit.context import Context
from patchkit.errors import BadUsageError, ClusterError, NotRepeatedError, PatchkitError, UnknownVersionError
from patchkit.jobs.build.on_worker import build_release, read_built
from patchkit.jobs.build.outcome import ReleaseOutcome
from patchkit.jobs.build.request import BuildRequest, ReleasesRequest
from patchkit.jobs.build.unit import request_document
from patchkit.packaging.dist import Dist
from patchkit.packaging.manifest import Artifact
from patchkit.patching.variants import STOCK
from patchkit.releases.catalog import catalog
from patchkit.source.git.repository import default_repository, is_url
from patchkit.storage import sha256_of

_LOOK = 1.0  # seconds between two looks at whether waiting makes sense
_Built = tuple[ReleaseOutcome, Mapping[str, bytes]]


def refuse_what_stays_here(request: ReleasesRequest) -> None:
    """Raise BadUsageError for what a worker would need and has not: files of this machine, and keys."""
    build = request.build
    repository = default_repository() if build.source.git is None else None
    own = [part.name for combined in build.combinations for part in combined.own]
    given = {
        "--source": build.source.source is not None,
        "--patch, or a variant of your own": bool(own),
        "--sign-key": request.sign_key is not None,
        "--keep-build": build.keep_build,
        "--git PATH": build.source.git is not None and not is_url(build.source.git),
        "PATCHKIT_GIT=PATH": repository is not None and not is_url(repository),
        "--openssl-source PATH": any(not is_url(text.partition("#")[0]) for text in build.settings.openssl_sources),
    }
    named = [option for option, is_given in given.items() if is_given]
    if named:
        raise BadUsageError(
            f"--on and {named[0]} exclude each other",
            why="it lies on this machine, and the workers are others",
            advice="without --on it is built here; --git and --openssl-source take URLs as well",
        )


@contextmanager
def cluster_crew(address: str, context: Context) -> Iterator[ClusterCrew]:
    """Connect, within the context, to the scheduler at ``address``. Raises ClusterError."""
    with connected(address, "build") as cluster:
        yield ClusterCrew(cluster, context.cache)


@dataclass
class ClusterCrew:
    """The workers of a cluster."""

    cluster: Cluster
    cache: Cache
    running: dict[Future[_Built], BuildRequest] = field(default_factory=dict)

    def room(self) -> int:
        return self.cluster.room()

    def start(self, request: BuildRequest) -> None:
        version, target = request.source.version, request.target
        asked = replace(request, there={artifact.name: artifact.inputs for artifact in _intact(request)})
        inputs = self._downloads(version)
        unit = {
            "request": json.loads(request_document(asked)),
            "repository": default_repository() or "",
            "downloads": [f"{given.name}@{given.sha256}" for given in inputs],
        }
        name = (f"{version} {' '.join(request.variants)} {target}",)
        read = partial(read_built, version=version, target=target)
        self.running[self.cluster.submit(build_release, json.dumps(unit).encode(), inputs, name, read)] = asked

    def finished(self) -> Iterator[ReleaseOutcome]:
        done: set[Future[_Built]] = set()
        while not done:
            done, _ = wait(self.running, timeout=_LOOK, return_when=FIRST_COMPLETED)
            self.cluster.check()
        for future in done:
            request = self.running.pop(future)
            try:
                built, files = future.result()
                yield _taken(built, files, request)
            except (ClusterError, NotRepeatedError):
                raise
            except PatchkitError as error:
                yield ReleaseOutcome(request.source.version, request.target, error=error)

    def close(self) -> None:
        self.cluster.close()

    def _downloads(self, version: str) -> list[Input]:
        """Return the pinned tarball of ``version``, where this cache has it."""
        try:
            tarball = catalog().find(version).tarball
        except UnknownVersionError:  # a ref of a repository
            tarball = None
        path = self.cache.read_only().downloads / tarball.name if tarball is not None else None
        if tarball is None or path is None or not path.is_file() or sha256_of(path) != tarball.sha256:
            return []
        return [Input(tarball.name, path.read_bytes())]


def _intact(request: BuildRequest) -> list[Artifact]:
    """List the artifacts of the release and target of ``request`` that are there, with unaltered files."""
    dist = Dist(request.out)
    return [
        artifact
        for artifact in dist.artifacts()
        if (artifact.release, artifact.build.target) == (request.source.version, request.target)
        and artifact.patch.guard == (request.guard and artifact.patch.variant != STOCK)
        and dist.find(artifact.name, artifact.inputs)
    ]


def _taken(built: ReleaseOutcome, files: Mapping[str, bytes], request: BuildRequest) -> ReleaseOutcome:
    """Put the artifacts of ``built`` where ``request`` says, and complete those that were there already."""
    there = {artifact.patch.variant: artifact for artifact in _intact(request) if artifact.name in request.there}
    for artifact in (outcome.artifact for outcome in built.outcomes if outcome.artifact is not None):
        Dist(request.out).add(artifact, {file.name: files[file.name] for file in artifact.all_files})
    outcomes = [
        outcome
        if outcome.fresh or outcome.artifact is not None
        else replace(outcome, artifact=there.get(outcome.variant))
        for outcome in built.outcomes
    ]
    return replace(built, outcomes=outcomes)

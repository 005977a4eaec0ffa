"""The programs of a campaign, built when they are not there."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.building.settings import BuildSettings
from patchkit.context import Context
from patchkit.errors import TagMovedError
from patchkit.jobs.build.release import build
from patchkit.jobs.build.request import BuildRequest
from patchkit.lab.link.binaries import Binary, BinaryRequest, unpacked
from patchkit.packaging.dist import Dist
from patchkit.packaging.manifest import Source
from patchkit.source.obtain import SourceRequest


def programs(
    requests: Sequence[BinaryRequest], source: SourceRequest, settings: BuildSettings, context: Context
) -> dict[BinaryRequest, Binary]:
    """Build a program for each of ``requests``, or take it from the cache where the same inputs have made it before.

    Raises what ``build`` raises, StorageError for a program that is not what its manifest states, and TagMovedError
    where the programs of one version come from different sources.
    """
    groups = dict.fromkeys((binary.version, binary.guard) for binary in requests)
    folder = context.cache.programs
    built: dict[BinaryRequest, Binary] = {}
    sources: dict[str, Source] = {}
    for version, guard in groups:
        members = list(
            dict.fromkeys(binary for binary in requests if (binary.version, binary.guard) == (version, guard))
        )
        request = BuildRequest(
            source=source.of(version),
            variants=[binary.variant for binary in members],
            settings=settings,
            guard=guard,
            out=folder,
            apart=True,
            lenient=True,
        )
        for binary, outcome in zip(members, build(request, context), strict=True):
            if outcome.artifact is None:  # without --keep-going, build raises instead
                raise RuntimeError(f"{outcome.variant} was neither built nor refused")
            artifact = outcome.artifact
            own_folder = request.folder(artifact.inputs)
            built[binary] = unpacked(artifact, own_folder, variant=binary.variant, guard=guard)
            # After it was read: what another run may have written there meanwhile must not be measured.
            Dist(own_folder).check(artifact)
            sources.setdefault(version, artifact.source)
            if sources[version] != artifact.source:
                raise TagMovedError(
                    f"{version} has changed while the programs were built",
                    why=f"{sources[version].commit} for the first, {artifact.source.commit} for {binary.variant}",
                    advice="run it again; --version COMMIT names one that stays",
                )
    return built

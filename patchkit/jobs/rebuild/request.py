"""What a manifest says of how an artifact was built, as a request to build it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from patchkit import __version__, resources
from patchkit.building.flags import only_compiles
from patchkit.building.settings import BuildSettings
from patchkit.errors import BadUsageError, ManifestError
from patchkit.jobs.build.corresponding_source import SUFFIX as SOURCE
from patchkit.jobs.build.request import BuildRequest
from patchkit.packaging.kinds import kinds_of
from patchkit.packaging.manifest import Artifact
from patchkit.packaging.spdx import SUFFIX as SPDX
from patchkit.processors import cores
from patchkit.source.git import repository
from patchkit.source.obtain import SourceRequest


@dataclass(frozen=True)
class RebuildRequest:
    """The artifacts to build again, and where sources are found that no pin covers."""

    manifest: Path
    """A manifest, or the folder that holds one."""
    names: Sequence[str] = ()
    """The artifacts; all of the manifest's where there are none."""
    source: Path | None = None
    git: str | None = None
    openssl_sources: Sequence[str] = ()
    jobs: int = field(default_factory=cores)
    anyway: bool = False
    """Whether to build with another patchkit or toolchain than the manifest's, and compare all the same."""
    out: Path | None = None
    """Where what was built again stays; None for a folder that is removed."""


def build_request(artifact: Artifact, request: RebuildRequest, out: Path) -> BuildRequest:
    """Return the request that builds ``artifact`` again into ``out``.

    Raises ManifestError where another patchkit wrote the manifest and the request does not build ``anyway``,
    BadUsageError for a source that no pin covers and that is not given, and ManifestError for flags that could do more
    than compile.
    """
    _check_patchkit(artifact, anyway=request.anyway)
    _check_flags(artifact)
    build, crypto = artifact.build, artifact.build.crypto
    if crypto is None:
        raise ManifestError(
            f"the manifest does not say which crypto library {artifact.name} has", why="an older patchkit wrote it"
        )
    if artifact.patch.own:
        raise ManifestError(
            f"{artifact.name} has a patch of somebody's own: {artifact.patch.own[0].name}",
            why="rebuild takes variants of the catalogue only",
            advice="patchkit build with the same --patch or --variant, and compare the hashes",
        )
    by_hand = crypto.source is not None and not crypto.verified
    if by_hand and not request.openssl_sources:
        raise BadUsageError(
            f"{artifact.name} has an OpenSSL from a source that no pin covers: {_named(crypto.source)}",
            advice="--openssl-source TARBALL|GIT[#REF]",
        )
    return BuildRequest(
        source=_source_request(artifact, request),
        variants=[artifact.patch.variant],
        settings=BuildSettings(
            engine=build.engine,
            crypto=crypto.library,
            openssl_sources=request.openssl_sources if by_hand else (),
            features=build.features,
            cflags=build.added_cflags,
            jobs=request.jobs,
            allow_known_bad=True,
        ),
        guard=artifact.patch.guard,
        target=build.target,
        out=out,
        packages=kinds_of([file.name for file in artifact.packages]),
        with_source=any(file.name.endswith(SOURCE) for file in artifact.documents),
        with_spdx=any(file.name.endswith(SPDX) for file in artifact.documents),
    )


def _check_patchkit(artifact: Artifact, *, anyway: bool) -> None:
    own = resources.fingerprint()
    if artifact.patchkit_sha256 is None:
        raise ManifestError(
            f"{artifact.name} was built by a patchkit whose manifests do not hold all that a rebuild needs",
            why=f"patchkit {artifact.patchkit}; this is {__version__}",
            advice="build it anew with this patchkit",
        )
    if artifact.patchkit_sha256 != own and not anyway:
        raise ManifestError(
            f"{artifact.name} was built by another patchkit",
            why=f"patchkit {artifact.patchkit}, whose files have the sha256 {artifact.patchkit_sha256}; "
            f"this is {__version__}, {own}",
            advice=f"take patchkit {artifact.patchkit} as it was; --anyway builds with this one and compares",
        )


def _check_flags(artifact: Artifact) -> None:
    odd = next((flag for flag in artifact.build.added_cflags if not only_compiles(flag)), None)
    if odd is not None:
        raise ManifestError(
            f"{artifact.name} was compiled with --cflag={odd}",
            why="a manifest can come from anybody, and such a flag can name a file or a program of this machine",
            advice="patchkit build with the same --cflag, and compare the hashes",
        )


def _source_request(artifact: Artifact, request: RebuildRequest) -> SourceRequest:
    source = artifact.source
    by_hand = source.kind == "directory" or (source.kind == "tarball" and not source.verified)
    if by_hand and request.source is None:
        raise BadUsageError(
            f"{artifact.name} is from a source given by hand: {_named(source)}", advice="--source TARBALL|DIR"
        )
    if by_hand:
        return SourceRequest(artifact.release, source=request.source)
    if source.kind == "tarball":
        return SourceRequest(artifact.release, pinned_tarball=True)
    # A branch may have moved on; the commit has not. A release keeps its name, and with it its pin.
    is_release = not artifact.release.startswith("git.")
    where = request.git or repository.default_repository() or (repository.UPSTREAM if is_release else None)
    if where is None:  # GitHub gives the commits of anybody's fork by upstream's URL
        raise BadUsageError(
            f"{artifact.name} is from a commit that no pin covers: {_named(source)}", advice="--git URL"
        )
    return SourceRequest(artifact.release if is_release else source.commit or source.name, git=where)


def _named(source: object) -> str:
    return str(getattr(source, "name", source))

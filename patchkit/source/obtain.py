"""Obtain the source tree of a release, verified where a pin exists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from patchkit.context import Context
from patchkit.errors import (
    BadUsageError,
    NetworkUnavailableError,
    OfflineError,
    PlacesExhaustedError,
    UnknownVersionError,
    WrongHashError,
)
from patchkit.releases.catalog import Release, TarballPin, catalog, named
from patchkit.releases.version import Version
from patchkit.source.fetch import download, mirror, places
from patchkit.source.fetch.from_url import ExpectedFile
from patchkit.source.git import repository
from patchkit.source.tree import directory
from patchkit.source.tree.tarball import as_tree
from patchkit.source.tree.tree import Origin, SourceTree, blob_id
from patchkit.source.tree.version_m4 import own_series


@dataclass(frozen=True)
class SourceRequest:
    """The source to obtain: a version (or, with ``git``, any ref), and what overrides the usual places."""

    version: str = ""
    """Empty in a request about several releases: :meth:`of` names one of them. ``latest`` and a series, ``2.6``, become
    their newest pinned release, but for a local source, which is what it is called."""
    git: str | None = None
    """URL or path of a repository; ``PATCHKIT_GIT`` is the default."""
    source: Path | None = None
    """A local tarball or folder (``--source``)."""

    def __post_init__(self) -> None:
        """Replace the name of a series, or ``latest``, by the release that it stands for."""
        if self.source is None:
            object.__setattr__(self, "version", named(self.version))

    def of(self, version: str) -> SourceRequest:
        """Return the request for ``version`` from the same places."""
        return replace(self, version=version)


@dataclass(frozen=True)
class Obtained:
    """A source tree with the names that everything built from it gets."""

    label: str
    """``2.6.14`` for a release, ``git.3de926089fde`` for any other ref: goes into file names."""
    series: str
    release: Release | None
    tree: SourceTree

    @property
    def version(self) -> Version:
        """The release's version; for any other ref its series, as the nearest version."""
        try:
            return Version.parse(self.label)
        except UnknownVersionError:
            return Version.parse(self.series)


def obtain(request: SourceRequest, context: Context) -> Obtained:
    """Obtain the source tree that ``request`` names, and verify it where a pin exists.

    Raises BadUsageError where both --source and --git are given, UnknownVersionError, and what download, git and the
    reading of archives raise: OfflineError, NetworkUnavailableError, PlacesExhaustedError, WrongHashError,
    TagMovedError, GitError, UnsafeArchiveError, BadSourceError.
    """
    if request.source is not None and request.git is not None:
        raise BadUsageError("--source and --git exclude each other")
    if request.source is not None:
        return _local(request.version, directory.tree_from(request.source))
    where = request.git or repository.default_repository()
    try:
        release = catalog().find(request.version)
    except UnknownVersionError:
        if where is None:
            raise
        return _unpinned(request, where, context)
    only_tarball = release.tag is None and request.git is None
    if release.tarball is not None and (where is None or only_tarball):
        tree = _from_tarball_or_mirror(release, release.tarball, context)
    else:
        where = where or mirror.repository_with(release.ref) or repository.UPSTREAM
        tree = repository.tree_at(where, release.ref, context, pin=release.tag)
    return Obtained(release.version.text, release.series, release, tree)


def version_of(request: SourceRequest) -> Version | None:
    """Return the version that ``request`` names; None for other refs of a repository."""
    try:
        return Version.parse(request.version)
    except UnknownVersionError:
        return None


def tarball_path(release: Release, pin: TarballPin, context: Context) -> Path:
    """Return the tarball ``pin`` of ``release`` in the cache, with the pinned hash. Raises the download's errors."""
    file = ExpectedFile(pin.name, pin.sha256, pin.size)
    return download.fetch(file, lambda: places.places_for(release, pin, offline=context.offline), context)


def _from_tarball_or_mirror(release: Release, pin: TarballPin, context: Context) -> SourceTree:
    """Obtain the tarball, or the tag of a mirror made from git, which has no tarball; both are pinned."""
    try:
        return _from_tarball(release, pin, context)
    except (OfflineError, NetworkUnavailableError, PlacesExhaustedError):
        where = mirror.repository_with(release.ref) if release.tag else None
        if where is None:
            raise
        return repository.tree_at(where, release.ref, context, pin=release.tag)


def _from_tarball(release: Release, pin: TarballPin, context: Context) -> SourceTree:
    data = tarball_path(release, pin, context).read_bytes()
    origin = Origin(kind="tarball", name=pin.name, verified=True, epoch=0, sha256=pin.sha256, size=len(data))
    tree = as_tree(data, origin)
    for path, blob in release.tag.blobs.items() if release.tag else ():
        if blob_id(tree.read(path)) != blob:
            raise WrongHashError(
                f"{path} in {pin.name} is not the one of the tag {release.ref}",
                why=f"the tag has blob {blob}, the tarball {blob_id(tree.read(path))}",
                advice="one of the two pins is wrong: please report it; --git builds the tag",
            )
    return tree


def _local(text: str, tree: SourceTree) -> Obtained:
    version = Version.parse(text)
    return Obtained(version.text, version.series, None, tree)


def _unpinned(request: SourceRequest, where: str, context: Context) -> Obtained:
    """Obtain a ref without a pin: a branch, a commit, or a tag that is newer than the pins."""
    try:
        version = Version.parse(request.version)
    except UnknownVersionError:
        tree = repository.tree_at(where, request.version, context)
        return Obtained(f"git.{(tree.origin.commit or '')[:12]}", own_series(tree), None, tree)
    tree = repository.tree_at(where, f"v{version.text}", context)
    return Obtained(version.text, version.series, None, tree)

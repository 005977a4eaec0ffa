"""Obtain the source tree of a release, verified where a pin exists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from patchkit.context import Context
from patchkit.errors import (
    BadSourceError,
    BadUsageError,
    NetworkUnavailableError,
    OfflineError,
    PlacesExhaustedError,
    UnknownVersionError,
    WrongHashError,
    WrongReleaseError,
)
from patchkit.releases.catalog import Release, TarballPin, catalog, named
from patchkit.releases.version import Version, base_of, is_label, shown
from patchkit.source.fetch import download, mirror, places
from patchkit.source.fetch.from_url import ExpectedFile
from patchkit.source.git import repository
from patchkit.source.tree import directory
from patchkit.source.tree.code_series import series_of_code
from patchkit.source.tree.tarball import as_tree
from patchkit.source.tree.tree import Origin, SourceTree, blob_id
from patchkit.source.tree.version_m4 import own_series, own_text, unnamed

_OF_SERIES = 2  # numbers in the name of a series
_NAME_IT = "--version V; with patchkit matrix: --ref V"


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
    pinned_tarball: bool = False
    """Whether a pinned tarball is taken even where ``PATCHKIT_GIT`` names a repository."""

    def __post_init__(self) -> None:
        """Replace the name of a series, or ``latest``, by the release that it stands for."""
        if self.source is None:
            object.__setattr__(self, "version", named(self.version))

    def check_named(self) -> None:
        """Raise BadUsageError where nothing names the release: only a tree given with --source names its own."""
        if not self.version and self.source is None:
            raise BadUsageError("no release is named", why="--version or --source is needed", advice="--version V")

    def of(self, version: str) -> SourceRequest:
        """Return the request for ``version`` from the same places."""
        return replace(self, version=version)


@dataclass(frozen=True)
class Obtained:
    """A source tree with the names that everything built from it gets."""

    label: str
    """``2.6.14`` for a release, ``git.3de926089fde`` for any other ref: goes into file names."""
    series: str
    """The series that the label names; where that is not one of upstream's, the one that the code is like."""
    release: Release | None
    tree: SourceTree

    @property
    def version(self) -> Version:
        """The release's version; for any other ref its series, as the nearest version."""
        version = base_of(self.label)
        return version if version is not None and version.is_upstreams else Version.parse(self.series)


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
    where = request.git or (None if request.pinned_tarball else repository.default_repository())
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
    """Return the version that ``request`` names; None for other refs of a repository, and for numbers of a fork."""
    version = base_of(request.version) if request.source is not None else _parsed(request.version)
    return version if version is not None and version.is_upstreams else None


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


def _parsed(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except UnknownVersionError:
        return None


def _local(text: str, tree: SourceTree) -> Obtained:
    """Name a tree given by hand after ``text``, or where that is empty as the tree does itself.

    Raises BadSourceError where neither names it, or the tree by what is not a version, UnknownVersionError where
    ``text`` is not one, and WrongReleaseError where the tree states another one.
    """
    own = own_text(tree)
    label = text or own
    if not label:
        raise unnamed(tree, _NAME_IT)
    version = base_of(label)
    if version is None and label != own:
        version = Version.parse(label)  # raises
    elif version is None and not is_label(label):
        raise BadSourceError(
            f"{tree.origin.name} names a version that is not one: {shown(own)}",
            why="version.m4 or CMakeLists.txt in it does",
            advice=_NAME_IT,
        )
    if text and text != own:
        _check_stated(text, version, own, tree)
    if version is None or not version.is_upstreams:
        return Obtained(label, series_of_code(tree), None, tree)
    return Obtained(label.lstrip("vV"), version.series, None, tree)


def _check_stated(text: str, version: Version | None, own: str, tree: SourceTree) -> None:
    stated = base_of(own)
    if version is None or stated is None:
        return
    # A branch states its series alone: 2.6_git is after 2.6.13 as well as before 2.6.14.
    is_branch = len(stated.pep440.release) == _OF_SERIES
    if stated.series != version.series if is_branch else stated != version:
        raise WrongReleaseError(
            f"{tree.origin.name} is not {text}: it states {own}",
            why="version.m4 or CMakeLists.txt in it does",
            advice=f"leave --version out, or give --version {own}",
        )


def _unpinned(request: SourceRequest, where: str, context: Context) -> Obtained:
    """Obtain a ref without a pin: a branch, a commit, or a tag that is newer than the pins."""
    try:
        version = Version.parse(request.version)
    except UnknownVersionError:
        tree = repository.tree_at(where, request.version, context)
        return Obtained(f"git.{(tree.origin.commit or '')[:12]}", own_series(tree), None, tree)
    tree = repository.tree_at(where, f"v{version.text}", context)
    series = version.series if version.is_upstreams else series_of_code(tree)
    return Obtained(version.text, series, None, tree)

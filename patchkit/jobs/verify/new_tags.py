"""What upstream has that the pins do not know: new release tags, and known ones that lead elsewhere now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from packaging.version import Version as Pep440

from patchkit.context import Context
from patchkit.errors import (
    BadSignatureError,
    BadUsageError,
    NewReleaseError,
    PatchkitError,
    TagMovedError,
    UnknownVersionError,
    WrongReleaseError,
)
from patchkit.jobs.matrix.collect_sources import MatrixRequest
from patchkit.jobs.matrix.job import Row, matrix
from patchkit.jobs.verify.evidence import Collector, EvidenceRequest, armours
from patchkit.patching.attempt import MatrixCell
from patchkit.patching.combination import combination
from patchkit.patching.variants import STOCK
from patchkit.releases.catalog import catalog
from patchkit.releases.version import Version
from patchkit.source.git import repository as git
from patchkit.source.git.remote_tags import remote_tags
from patchkit.source.obtain import SourceRequest
from patchkit.source.openpgp.gnupg import KeyRing, key_ring
from patchkit.source.openpgp.judgement import Judgement

_FORGED = (BadSignatureError, WrongReleaseError)
Known = Literal["new", "pinned as a tarball only", "moved"]


@dataclass(frozen=True)
class NewTagsRequest:
    """The release tags of a repository that are compared with the pins."""

    source: SourceRequest = field(default_factory=SourceRequest)
    """The repository: ``PATCHKIT_GIT`` where none is named, upstream's own as the last resort."""
    since: str | None = None
    """The oldest release, or series, that is of interest."""
    variants: Sequence[str] = ()
    """The variants in question; all if none is named."""
    keys: Sequence[Path] = ()
    """Files with further keys that count as upstream's."""


@dataclass(frozen=True)
class NewTag:
    """One tag that the pins do not have, or have otherwise."""

    version: Version
    tag: str
    commit: str
    """What it leads to now."""
    pinned: str | None
    """The commit that the pins have; None where they have none."""
    signed: Judgement | None
    """None for a tag that moved: it is not looked at."""
    cells: tuple[MatrixCell, ...] = ()
    """What becomes of the variants."""
    error: PatchkitError | None = None
    """Why it is not as it should be."""
    tarball_pinned: bool = False
    """The pins know the release by its tarball: it is no news, though nobody has pinned this tag."""

    @property
    def known(self) -> Known:
        """What the pins have to say of it."""
        if self.pinned is not None:
            return "moved"
        return "pinned as a tarball only" if self.tarball_pinned else "new"


def new_tags(request: NewTagsRequest, context: Context) -> list[NewTag]:
    """Compare a repository's release tags with the pins; the new ones are fetched and looked at.

    Raises BadUsageError, UnknownVariantError, NetworkUnavailableError, GitError, UnknownVersionError, StorageError,
    SignatureFileError, OpenPgpMissingError.
    """
    since, variants = request.since, list(dict.fromkeys(combination(name).name for name in request.variants))
    if STOCK in variants:
        raise BadUsageError("stock applies everywhere: it changes nothing", advice="--variant NAME of another one")
    repository = request.source.git or git.default_repository() or git.UPSTREAM
    oldest = Pep440(f"{Version.parse(since).pep440}.dev0") if since else Pep440("2.1.dev0")
    context.ui.step(f"Release tags of {repository}")
    there = {
        version: (tag, commit)
        for tag, commit in remote_tags(repository, context.cache).items()
        if (version := _version(tag)) is not None and version.pep440 >= oldest
    }
    releases = {release.version: release for release in catalog().releases}
    pins = {version: release.tag for version, release in releases.items() if release.tag}
    moved = [
        _moved(version, tag, commit, pin.commit)
        for version, (tag, commit) in there.items()
        if (pin := pins.get(version)) is not None and pin.name == tag and pin.commit != commit
    ]
    fresh = {version: found for version, found in there.items() if version not in pins}
    by_tarball = fresh.keys() & releases.keys()
    context.ui.note(
        f"{len(there)} since {since or '2.1'}, {len(fresh) - len(by_tarball)} that the pins do not know, "
        f"{len(by_tarball)} pinned as a tarball only, {len(moved)} moved"
    )
    with key_ring(armours(request.keys)) as ring:
        looked = list(_looked_at(fresh, MatrixRequest(SourceRequest(git=repository), variants=variants), ring, context))
    found = [*moved, *(replace(one, tarball_pinned=one.version in by_tarball) for one in looked)]
    return sorted(found, key=lambda one: one.version)


def finding(found: list[NewTag]) -> PatchkitError | None:
    """The gravest of it: a moved tag; a tag that is not what it seems; any other finding, as a refused variant;
    otherwise that there are new releases. That nothing vouches for a tag yet is none: `verify --version` asks the
    tarball's signature, too."""
    errors = sorted((one.error for one in found if one.error is not None), key=_lightness)
    fresh = [one.version.text for one in found if one.known == "new"]
    news = NewReleaseError(
        f"upstream has {len(fresh)} release{'' if len(fresh) == 1 else 's'} that the pins do not know",
        why=", ".join(fresh),
        advice=f"patchkit verify --version {fresh[-1] if fresh else 'V'}; ci/pin-releases writes the pins",
    )
    return next(iter([*errors, *([news] if fresh else [])]), None)


def _lightness(error: PatchkitError) -> int:
    return 0 if isinstance(error, TagMovedError) else 1 if isinstance(error, _FORGED) else 2


def _version(tag: str) -> Version | None:
    try:
        return Version.parse(tag) if tag.startswith("v") else None
    except UnknownVersionError:
        return None


def _moved(version: Version, tag: str, commit: str, pinned: str) -> NewTag:
    error = TagMovedError(
        f"the tag {tag} is not the one that was pinned",
        why=f"pinned commit {pinned}\nfound  commit {commit}",
        advice="compare both with upstream's repository",
    )
    return NewTag(version, tag, commit, pinned, None, error=error)


def _looked_at(
    fresh: Mapping[Version, tuple[str, str]], request: MatrixRequest, ring: KeyRing, context: Context
) -> Iterator[NewTag]:
    for version, (tag, commit) in fresh.items():
        exhibit = Collector(EvidenceRequest(request.source.of(version.text)), version, None, ring, context).tag()
        row = _row(version, request, context) if exhibit.tree is not None else None
        errors = [*exhibit.findings, *([exhibit.absent] if exhibit.absent else [])]
        cells = tuple(row.cells) if row else ()
        errors += [cell.error for cell in cells if cell.error is not None and not cell.guard]
        yield NewTag(version, tag, commit, None, exhibit.signed, cells, next(iter(errors), None))


def _row(version: Version, request: MatrixRequest, context: Context) -> Row:
    (row,) = matrix(replace(request, refs=[version.text]), context)
    return row

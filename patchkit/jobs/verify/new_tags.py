"""Upstream's release tags that the pins do not have: new ones, and known ones that lead to another commit now."""

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
from patchkit.jobs.verify.evidence import Collector, EvidenceRequest, SourceForm, armours
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
PinState = Literal["new", "pinned as a tarball only", "moved"]


@dataclass(frozen=True)
class NewTagsRequest:
    """The release tags of a repository that are compared with the pins."""

    source: SourceRequest = field(default_factory=SourceRequest)
    """The repository; by default that of ``PATCHKIT_GIT``, or else upstream's own."""
    since: str | None = None
    """The oldest release, or series, whose tags are compared; by default 2.1."""
    variants: Sequence[str] = ()
    """The variants in question; by default all."""
    keys: Sequence[Path] = ()
    """Files with further keys that count as upstream's."""


@dataclass(frozen=True)
class NewTag:
    """One tag that the pins do not have, or have with another commit."""

    version: Version
    tag: str
    commit: str
    """The commit that it leads to now."""
    pinned: str | None
    """The commit that the pins have; None where they have none."""
    judgement: Judgement | None
    """What its signature is worth; None for a tag that moved: its signature is not checked."""
    cells: tuple[MatrixCell, ...] = ()
    """How each variant applies."""
    error: PatchkitError | None = None
    """Why it is not as it should be; None where nothing is wrong."""
    tarball_pinned: bool = False
    """Whether the release's tarball is pinned: the release is not new then, though this tag is not pinned."""
    form: SourceForm | None = None
    """The tag's files and what authenticates them; None for a tag that moved."""
    row: Row | None = None
    """What the variants make of its files; None where it has none."""

    @property
    def known(self) -> PinState:
        """How far the pins know the tag."""
        if self.pinned is not None:
            return "moved"
        return "pinned as a tarball only" if self.tarball_pinned else "new"


def new_tags(request: NewTagsRequest, context: Context) -> list[NewTag]:
    """Compare the release tags of the repository of ``request`` with the pins; new tags are fetched and judged.

    Raises BadUsageError for stock, UnknownVariantError or ConflictError for variants that do not exist or exclude each
    other, UnknownVersionError for ``since``, NetworkUnavailableError or GitError where the repository cannot be read,
    StorageError or SignatureFileError for a file of keys, and OpenPgpMissingError where gpg is missing.
    """
    since, variants = request.since, list(dict.fromkeys(combination(name).name for name in request.variants))
    if STOCK in variants:
        raise BadUsageError("stock applies everywhere: it changes nothing", advice="--variant with another name")
    repository = request.source.git or git.default_repository() or git.UPSTREAM
    oldest = Pep440(f"{Version.parse(since).pep440}.dev0") if since else Pep440("2.1.dev0")
    context.ui.step(f"Release tags of {repository}")
    tags = {
        version: (tag, commit)
        for tag, commit in remote_tags(repository, context.cache).items()
        if (version := _version(tag)) is not None and version.pep440 >= oldest
    }
    releases = {release.version: release for release in catalog().releases}
    pins = {version: release.tag for version, release in releases.items() if release.tag}
    moved = [
        _moved(version, tag, commit, pin.commit)
        for version, (tag, commit) in tags.items()
        if (pin := pins.get(version)) is not None and pin.name == tag and pin.commit != commit
    ]
    new = {version: tag for version, tag in tags.items() if version not in pins}
    by_tarball = new.keys() & releases.keys()
    context.ui.note(
        f"{len(tags)} since {since or '2.1'}, {len(new) - len(by_tarball)} that the pins do not know, "
        f"{len(by_tarball)} pinned as a tarball only, {len(moved)} moved"
    )
    with key_ring(armours(request.keys)) as ring:
        matrix_request = MatrixRequest(SourceRequest(git=repository), variants=variants)
        judged = list(_judged(new, matrix_request, ring, context))
    judged = [replace(tag, tarball_pinned=tag.version in by_tarball) for tag in judged]
    return sorted([*moved, *judged], key=lambda tag: tag.version)


def gravest_error(tags: Sequence[NewTag]) -> PatchkitError | None:
    """Return the gravest error of ``tags``, or None where there is nothing to report.

    A moved tag comes first, then a forged tag, then any other error, as that of a refused variant, and last
    NewReleaseError for new releases. A tag without a good signature is not an error here: ``verify --version`` also
    checks the tarball's signature.
    """
    errors = sorted((tag.error for tag in tags if tag.error is not None), key=_gravity)
    new = [tag.version.text for tag in tags if tag.known == "new"]
    if errors or not new:
        return errors[0] if errors else None
    return NewReleaseError(
        f"upstream has {len(new)} release{'' if len(new) == 1 else 's'} that the pins do not know",
        why=", ".join(new),
        advice=f"patchkit verify --version {new[-1]}; verify --new --to FOLDER writes the pins, to be reviewed",
    )


def _gravity(error: PatchkitError) -> int:
    """The place of ``error`` in the order of gravity: 0 is the gravest."""
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


def _judged(
    new: Mapping[Version, tuple[str, str]], request: MatrixRequest, ring: KeyRing, context: Context
) -> Iterator[NewTag]:
    for version, (tag, commit) in new.items():
        form = Collector(EvidenceRequest(request.source.of(version.text)), version, None, ring, context).tag()
        row = _row(version, request, context) if form.tree is not None else None
        errors = [*form.findings, *([form.unavailable] if form.unavailable else [])]
        cells = tuple(row.cells) if row else ()
        errors += [cell.error for cell in cells if cell.error is not None and not cell.guard]
        error = next(iter(errors), None)
        yield NewTag(version, tag, commit, None, form.judgement, cells, error, form=form, row=row)


def _row(version: Version, request: MatrixRequest, context: Context) -> Row:
    (row,) = matrix(replace(request, refs=[version.text]), context)
    return row

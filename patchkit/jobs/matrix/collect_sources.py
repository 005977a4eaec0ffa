"""The first half of the matrix: which files the variants touch in each release, before anything is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import Version as Pep440

from patchkit.context import Context
from patchkit.errors import BadSourceError, PatchkitError, TagMovedError, UnknownVersionError
from patchkit.patching.combination import Combination
from patchkit.releases.catalog import TagPin, catalog
from patchkit.releases.version import Version
from patchkit.source.git import repository
from patchkit.source.git.release_history import History, history
from patchkit.source.obtain import Request, obtain
from patchkit.source.tree.tree import Origin, SourceTree, blob_id


@dataclass(frozen=True)
class Question:
    """Which part of the matrix is asked for."""

    git: str | None = None
    """URL or path of a repository; ``PATCHKIT_GIT`` is the default, upstream's own the last resort."""
    since: str | None = None
    """The oldest release, or series, that is of interest."""
    refs: Sequence[str] = ()
    """Releases, tags, branches or commits; all releases if none is named."""
    source: Path | None = None
    """A tarball or folder given by hand, which the one ref then names."""
    variants: Sequence[str] = ()
    """All but stock if none is named."""


@dataclass
class ReleaseFiles:
    """One release, its files named by blob, before anything is tried."""

    label: str
    ref: str
    version: Version
    origin: Origin | None = None
    files: dict[str, str] = field(default_factory=dict)
    missing: dict[str, PatchkitError] = field(default_factory=dict)
    """Files that a variant touches and that are not there, by name."""
    error: PatchkitError | None = None


_FIRST = Pep440("2.1.dev0")  # the pins' first release is 2.1_rc1; nothing before it was ever looked at


@dataclass(frozen=True)
class Survey:
    """Finds what the chosen variants touch in each release; what many releases share is read once."""

    question: Question
    chosen: Sequence[Combination]
    context: Context
    blobs: dict[str, bytes] = field(default_factory=dict)
    """All contents that were read, by git blob id."""

    def releases(self) -> list[ReleaseFiles]:
        """The refs in the order that they were asked for, or all releases, the oldest first.

        A moved tag or a damaged one is in its row; raises what the source's room raises otherwise.
        """
        if self.question.refs:
            return [self._ref(ref) for ref in self.question.refs]
        return self._all_releases()

    def _ref(self, ref: str) -> ReleaseFiles:
        question, where = self.question, self.question.git
        if where is None and question.source is None and not _in_the_pins(ref):
            where = self._repository
        request = Request(ref, git=where, source=question.source)
        try:
            obtained = obtain(request, self.context)
        except TagMovedError as error:
            version = catalog().find(ref).version
            return ReleaseFiles(version.text, ref, version, error=error)
        return self._looked_at(ReleaseFiles(obtained.label, ref, obtained.version), obtained.tree, {})

    @property
    def _repository(self) -> str:
        return self.question.git or repository.default_repository() or repository.UPSTREAM

    def _all_releases(self) -> list[ReleaseFiles]:
        since = self.question.since
        oldest = max(_FIRST, Pep440(f"{Version.parse(since).pep440}.dev0")) if since else _FIRST
        known = {release.version: release.tag for release in catalog().releases}
        with history(self._repository, self.context) as past:
            rows = [
                self._release(past, ReleaseFiles(version.text, tag, version), known.get(version))
                for version, tag in past.tags.items()
                if version.pep440 >= oldest
            ]
        if not rows:
            raise UnknownVersionError(
                f"{self._repository} has no release since {since or 2.1}", advice="patchkit releases"
            )
        return rows

    def _release(self, past: History, row: ReleaseFiles, pin: TagPin | None) -> ReleaseFiles:
        try:
            return self._looked_at(row, past.tree(row.ref, pin), pin.blobs if pin else {})
        except PatchkitError as error:
            row.error = error
            return row

    def _looked_at(self, row: ReleaseFiles, tree: SourceTree, pinned: Mapping[str, str]) -> ReleaseFiles:
        """Name the files by their blobs, and read those that nobody has read yet. A file that is not there is no
        matter to the variants that do not touch it."""
        row.origin = tree.origin
        known = {path.rpartition("/")[2]: (path, blob) for path, blob in pinned.items()}
        applicable = [one for one in self.chosen if one.upstream_status(row.version) != "not-applicable"]
        for file in sorted({file for one in applicable for file in one.files}):
            try:
                path, blob = known.get(file) or (tree.find(file), "")
                if blob not in self.blobs:
                    data = tree.read(path)
                    blob = blob_id(data)
                    self.blobs[blob] = data
                row.files[path] = blob
            except BadSourceError as error:
                row.missing[file] = error
        return row


def _in_the_pins(ref: str) -> bool:
    try:
        catalog().find(ref)
    except UnknownVersionError:
        return False
    return True

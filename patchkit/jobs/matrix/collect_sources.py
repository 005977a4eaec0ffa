"""Collect the files that the variants touch in each release: the first half of the matrix, before any rendering."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from packaging.version import Version as Pep440

from patchkit.context import Context
from patchkit.errors import BadSourceError, BadUsageError, GitError, PatchkitError, TagMovedError, UnknownVersionError
from patchkit.jobs.matrix.answers import Answers
from patchkit.patching import pins
from patchkit.patching.changes.locate import is_openvpn, no_such_file
from patchkit.patching.combination import Combination
from patchkit.patching.names import files_of
from patchkit.patching.unified import folders_above
from patchkit.patching.variants import UpstreamStatus, names, variant
from patchkit.releases.catalog import TagPin, catalog
from patchkit.releases.version import Version
from patchkit.shard import Shard
from patchkit.source.git import repository
from patchkit.source.git.release_history import History, history
from patchkit.source.obtain import SourceRequest, obtain, version_of
from patchkit.source.tree.code_series import series_of_code
from patchkit.source.tree.tree import SYMLINK, Origin, SourceTree, below, blob_id

_Thing = TypeVar("_Thing")


@dataclass(frozen=True)
class MatrixRequest:
    """The part of the matrix that is asked for."""

    source: SourceRequest = field(default_factory=SourceRequest)
    """Where sources are taken from; upstream's own repository is the last resort. With a tarball or folder given by
    hand, the one ref is its version, which may be left out."""
    since: str | None = None
    """The oldest release, or series, that is of interest."""
    refs: Sequence[str] = ()
    """Releases, tags, branches or commits; all releases if none is named."""
    variants: Sequence[str] = ()
    """All but stock if none is named."""
    shard: Shard | None = None
    """The part of the releases, or refs, that is looked at; None: all of them."""

    def validate(self) -> None:
        """Raise BadUsageError for options that exclude or need each other."""
        if self.source.source is not None and len(self.refs) > 1:
            raise BadUsageError(
                "--source goes with one --ref: the version of the source", advice="--source DIR --ref 2.6.14"
            )
        if self.since is not None and self.refs:
            raise BadUsageError("--since and --ref exclude each other")

    def part(self, things: Sequence[_Thing]) -> list[_Thing]:
        """Return those of ``things``, all releases or refs in their order, that are looked at."""
        return [thing for index, thing in enumerate(things) if self.shard is None or self.shard.holds(index)]


@dataclass
class ReleaseFiles:
    """The files of one release that the variants touch, by git blob id, before any rendering."""

    label: str
    ref: str
    version: Version | None
    """None where the ref could not be read and its name is not a version."""
    origin: Origin | None = None
    files: dict[str, str] = field(default_factory=dict)
    beside: dict[str, str] | None = None
    """What else says which code the release has: headers, and files that other variants touch. None where the whole
    tree is pinned."""
    obstacles: dict[str, str] = field(default_factory=dict)
    """Files, by git blob id, that stand above or below a path at which a diff brings a file."""
    missing: dict[str, PatchkitError] = field(default_factory=dict)
    """Files that a variant touches and that the release does not have, by name."""
    error: PatchkitError | None = None


_FIRST = Pep440("2.1.dev0")  # the pins' first release is 2.1_rc1; nothing before it was ever examined


@dataclass(frozen=True)
class SourceCollector:
    """Collects what the chosen variants touch in each release; a file that many releases share is read once."""

    request: MatrixRequest
    chosen: Sequence[Combination]
    context: Context
    answers: Answers
    needed: Callable[[Sequence[ReleaseFiles]], Collection[str]]
    """Tells of all rows which blobs have to be read."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    """All contents that were read, by git blob id."""
    unread: dict[str, tuple[SourceTree, str]] = field(default_factory=dict)
    """Where contents that were not read yet are, by git blob id."""

    def releases(self) -> list[ReleaseFiles]:
        """Collect the refs in the order of the request, or all releases, the oldest first.

        An error about a ref is in its row. Raises what :func:`obtain` raises where no ref can be read and the first
        one is not a moved tag, UnknownVersionError when there is no release since the oldest asked for, and otherwise
        what :func:`history` raises.
        """
        refs = self.request.refs or ([""] if self.request.source.source is not None else [])
        if not refs:
            return self._all_releases()
        rows = [self._ref(ref) for ref in self.request.part(refs)]
        first = rows[0].error if rows else None
        if first is not None and all(row.error for row in rows) and not isinstance(first, TagMovedError):
            raise first
        return self._read_needed(rows)

    def _ref(self, ref: str) -> ReleaseFiles:
        source = self.request.source
        if source.git is None and source.source is None and not _in_the_pins(ref):
            source = replace(source, git=self._repository)
        try:
            obtained = obtain(source.of(ref), self.context)
            return self._with_files(
                ReleaseFiles(obtained.label, ref or obtained.label, obtained.version), obtained.tree, {}
            )
        except BadUsageError:
            raise
        except PatchkitError as error:
            version = version_of(source.of(ref))
            return ReleaseFiles(version.text if version else ref, ref, version, error=error)

    @property
    def _repository(self) -> str:
        return self.request.source.git or repository.default_repository() or repository.UPSTREAM

    def _all_releases(self) -> list[ReleaseFiles]:
        since = self.request.since
        oldest = max(_FIRST, Pep440(f"{Version.parse(since).pep440}.dev0")) if since else _FIRST
        known = {release.version: release.tag for release in catalog().releases}
        with history(self._repository, self.context) as past:
            wanted = [(version, tag) for version, tag in past.tags.items() if version.pep440 >= oldest]
            rows = [
                self._release(past, ReleaseFiles(version.text, tag, version), known.get(version))
                for version, tag in self.request.part(wanted)
            ]
            self._read_needed(rows)
        if not wanted:
            raise UnknownVersionError(
                f"{self._repository} has no release since {since or 2.1}", advice="patchkit releases"
            )
        return rows

    def _release(self, past: History, row: ReleaseFiles, pin: TagPin | None) -> ReleaseFiles:
        try:
            tree = past.tree(row.ref, pin)
            if row.version is not None and not row.version.is_upstreams:
                row.version = Version.parse(series_of_code(tree))
            return self._with_files(row, tree, pin.blobs if pin else {})
        except PatchkitError as error:
            row.error = error
            return row

    def _place(self, tree: SourceTree, file: str) -> tuple[str, str]:
        """Look up ``file`` in ``tree``; it is read where the tree does not know its blob id."""
        path = tree.find_to_change(file)
        blob = tree.entries[path].blob or self._kept(tree, path)
        self.answers.learn_place(tree.origin.tree, file, path, blob)
        return path, blob

    def _exact_place(self, tree: SourceTree, path: str) -> str | None:
        """Look up the very path ``path``: the blob id, or None where there is no such file."""
        key = f"/{path}"
        known = self.answers.place(tree.origin.tree, key)
        if known is not None:
            return known[1] or None
        entry = tree.entries.get(path)
        blob = "" if entry is None else entry.blob or self._kept(tree, path)
        self.answers.learn_place(tree.origin.tree, key, path, blob)
        return blob or None

    def _find_obstacles(self, row: ReleaseFiles, tree: SourceTree, brought: Collection[str]) -> None:
        """Note what makes it impossible that there is a file at each path of ``brought``."""
        for path in brought:
            inside = self._file_below(tree, path)
            for place in (*folders_above(path), *([inside] if inside else [])):
                blob = self._exact_place(tree, place)
                if blob is not None:
                    row.obstacles[place] = blob
                    self.unread.setdefault(blob, (tree, place))

    def _file_below(self, tree: SourceTree, path: str) -> str | None:
        """Look for a file below ``path``, which is a folder then."""
        key = f"/{path}/"
        known = self.answers.place(tree.origin.tree, key)
        inside = known[0] if known is not None else below(tree.entries, path)
        if known is None:
            self.answers.learn_place(tree.origin.tree, key, inside or "", "")
        return inside or None

    def _read_needed(self, rows: list[ReleaseFiles]) -> list[ReleaseFiles]:
        """Read what has to be rendered. Raises GitError where it is not what the pins or an earlier run say."""
        for blob in self.needed(rows):
            if blob not in self.blobs:
                tree, path = self.unread[blob]
                self.blobs[blob] = _genuine(tree.read(path), blob, path)
        return rows

    def _with_files(self, row: ReleaseFiles, tree: SourceTree, pinned: Mapping[str, str]) -> ReleaseFiles:
        """Name the files by their blobs, which are read later, if at all. A missing file does not concern the variants
        that do not touch it."""
        row.origin = tree.origin
        known = {path.rpartition("/")[2]: (path, blob) for path, blob in pinned.items()}
        applicable = [combined for combined in self.chosen if _status(combined, row) != "not-applicable"]
        parts = [part for combined in applicable for part in combined.parts]
        for path in sorted({path for part in parts if part.diffs is not None for path in part.files}):
            place = pinned.get(path) or self._exact_place(tree, path)
            if place is not None:
                row.files[path] = place
                self.unread.setdefault(place, (tree, path))
        self._find_obstacles(row, tree, sorted({path for part in parts for path in part.brought}))
        for file in sorted({file for part in parts if part.diffs is None for file in part.files}):
            try:
                path, blob = known.get(file) or self.answers.place(tree.origin.tree, file) or self._place(tree, file)
                if blob not in self.blobs:
                    self.unread[blob] = tree, path
                row.files[path] = blob
            except BadSourceError as error:
                by = [part for part in parts if file in part.files]
                at_fault = all(part.is_own for part in by) and is_openvpn(tree) and not tree.has(file)
                row.missing[file] = no_such_file(by[0], file, tree.origin.name) if at_fault else error
        # Nothing is pinned that was not looked at: pins are believed afterwards, also where a name is missing.
        if not tree.origin.verified or pins.are_ignored():
            others = [
                path for file in _touched_by_any() for path in (f"src/openvpn/{file}", file) if path in tree.entries
            ]
            paths = {*others, *files_of(tree, row.files)} - row.files.keys()
            row.beside = {path: self._kept(tree, path) for path in sorted(paths) if tree.entries[path].mode != SYMLINK}
        return row

    def _kept(self, tree: SourceTree, path: str) -> str:
        """Read a file, keep its content, and return its blob id."""
        data = tree.read(path)
        blob = blob_id(data)
        self.blobs[blob] = data
        return blob


def _touched_by_any() -> list[str]:
    return sorted({file for name in names() for file in variant(name).files})


def _status(combined: Combination, row: ReleaseFiles) -> UpstreamStatus | None:
    return combined.upstream_status(row.version) if row.version is not None else None


def _genuine(data: bytes, blob: str, path: str) -> bytes:
    if blob_id(data) != blob:
        raise GitError(f"{path} is not the file that was expected", why=f"it is {blob_id(data)}, not {blob}")
    return data


def _in_the_pins(ref: str) -> bool:
    try:
        catalog().find(ref)
    except UnknownVersionError:
        return False
    return True

"""Every release, every variant, guarded and not: what applies, exactly, and what it makes of the source.

Most releases share their files with a neighbour, so each set of files is tried once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import Version as Pep440

from patchkit.errors import PatchkitError, UnknownVersionError
from patchkit.jobs.tries import Key, forms, try_all
from patchkit.patching.combination import Combination, combination
from patchkit.patching.matrix import Attempt, Cell, judge
from patchkit.patching.variants import STOCK, names
from patchkit.releases.catalog import Release, catalog
from patchkit.releases.version import Version
from patchkit.source import git
from patchkit.source.cache import Cache
from patchkit.source.history import History, history
from patchkit.source.obtain import Request, obtain
from patchkit.source.tree import Origin, SourceTree, blob_id
from patchkit.ui import Ui


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
    offline: bool = False


@dataclass(frozen=True)
class Row:
    """One release, or one ref that is none."""

    label: str
    ref: str
    """The tag, or what was asked for."""
    series: str
    origin: Origin | None
    """None where the source could not be had."""
    cells: Sequence[Cell]
    error: PatchkitError | None = None
    """Why there are no cells."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Git blob ids of the files that were looked at, by path."""

    @property
    def name(self) -> str:
        """For people: the release, or the ref with the commit that it is now."""
        return f"{self.ref} ({self.label})" if self.label.startswith("git.") else self.label


@dataclass
class _Asked:
    """One release, its files named by blob, before anything is tried."""

    label: str
    ref: str
    version: Version
    origin: Origin | None = None
    files: dict[str, str] = field(default_factory=dict)
    error: PatchkitError | None = None


def matrix(question: Question, cache: Cache, ui: Ui) -> list[Row]:
    """All rows, the oldest release first. Refusals are in the cells; raises what the source's room raises."""
    chosen = [combination(name) for name in question.variants or [name for name in names() if name != STOCK]]
    wanted = {file for one in chosen for file in one.files}
    blobs: dict[str, bytes] = {}
    asked = [*_by_ref(question, cache, ui)] if question.refs else []
    if asked:
        rows = [_looked_at(row, tree, None, wanted, blobs) for row, tree in asked]
    else:
        rows = _all_releases(question, wanted, blobs, cache, ui)
    tasks = {_key(one, row): row.label for row in rows for one in chosen if _is_tried(one, row)}
    tried = try_all(tasks, blobs, ui)
    return [_row(row, chosen, tried) for row in rows]


def _by_ref(question: Question, cache: Cache, ui: Ui) -> Iterator[tuple[_Asked, SourceTree]]:
    for ref in question.refs:
        request = Request(ref, git=question.git, source=question.source, offline=question.offline)
        obtained = obtain(request, cache, ui)
        try:
            version = Version.parse(obtained.label)
        except UnknownVersionError:
            version = Version.parse(obtained.series)
        yield _Asked(obtained.label, ref, version), obtained.tree


def _all_releases(question: Question, wanted: set[str], blobs: dict[str, bytes], cache: Cache, ui: Ui) -> list[_Asked]:
    where = question.git or os.environ.get("PATCHKIT_GIT") or git.UPSTREAM
    oldest = Pep440(f"{Version.parse(question.since).pep440}.dev0") if question.since else None
    known = {release.version: release for release in catalog().releases}
    with history(where, cache, ui, offline=question.offline) as past:
        return [
            _release(past, version, tag, known.get(version), wanted, blobs)
            for version, tag in past.tags.items()
            if (oldest is None or version.pep440 >= oldest) and version.pep440 >= _FIRST
        ]


_FIRST = Pep440("2.1.dev0")  # the pins' first release is 2.1_rc1; nothing before it was ever looked at


def _release(
    past: History, version: Version, tag: str, release: Release | None, wanted: set[str], blobs: dict[str, bytes]
) -> _Asked:
    row = _Asked(version.text, tag, version)
    pin = release.tag if release else None
    try:
        return _looked_at(row, past.tree(tag, pin), pin.blobs if pin else None, wanted, blobs)
    except PatchkitError as error:
        row.error = error
        return row


def _looked_at(
    row: _Asked, tree: SourceTree, known: Mapping[str, str] | None, wanted: set[str], blobs: dict[str, bytes]
) -> _Asked:
    """Name the files by their blobs, and read those that nobody has read yet."""
    row.origin = tree.origin
    pinned = {path.rpartition("/")[2]: (path, blob) for path, blob in (known or {}).items()}
    try:
        for file in sorted(wanted):
            path, blob = pinned.get(file) or (tree.find(file), "")
            if blob not in blobs:
                data = tree.read(path)
                blob = blob_id(data)
                blobs[blob] = data
            row.files[path] = blob
    except PatchkitError as error:
        row.error = error
    return row


def _is_tried(one: Combination, row: _Asked) -> bool:
    return row.error is None and one.upstream_status(row.version) != "not-applicable"


def _key(one: Combination, row: _Asked) -> Key:
    touched = tuple((path, blob) for path, blob in row.files.items() if path.rpartition("/")[2] in one.files)
    return one.name, touched


def _row(row: _Asked, chosen: Sequence[Combination], tried: Mapping[Key, list[Attempt]]) -> Row:
    cells = []
    for one in chosen if row.error is None else []:
        attempts = tried.get(_key(one, row), [])
        for number, guard in enumerate(forms(one.name)):
            upstream = one.upstream_status(row.version)
            cells.append(judge(one, guard, upstream, attempts[number] if attempts else None))
    return Row(row.label, row.ref, row.version.series, row.origin, cells, row.error, row.files)

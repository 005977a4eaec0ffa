"""Every release, every variant, guarded and not: what applies, exactly, and what it makes of the source.

Most releases share their files with a neighbour, so each set of files is tried once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import Version as Pep440

from patchkit.errors import BadSourceError, PatchkitError, TagMovedError, UnknownVersionError
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
    missing: dict[str, PatchkitError] = field(default_factory=dict)
    """Files that a variant touches and that are not there, by name."""
    error: PatchkitError | None = None


def matrix(question: Question, cache: Cache, ui: Ui) -> list[Row]:
    """All rows, the oldest release first. Refusals are in the cells; raises what the source's room raises."""
    named = question.variants or [name for name in names() if name != STOCK]
    chosen = list({one.name: one for one in map(combination, named)}.values())
    blobs: dict[str, bytes] = {}
    if question.refs:
        rows = [_by_ref(ref, question, chosen, blobs, cache, ui) for ref in question.refs]
    else:
        rows = _all_releases(question, chosen, blobs, cache, ui)
    tasks = {_key(one, row): row.label for row in rows for one in chosen if _is_tried(one, row)}
    tried = try_all(tasks, blobs, ui)
    return [_row(row, chosen, tried) for row in rows]


def _by_ref(
    ref: str, question: Question, chosen: Sequence[Combination], blobs: dict[str, bytes], cache: Cache, ui: Ui
) -> _Asked:
    where = question.git
    if where is None and question.source is None and not _in_the_pins(ref):
        where = _repository(question)
    request = Request(ref, git=where, source=question.source, offline=question.offline)
    try:
        obtained = obtain(request, cache, ui)
    except TagMovedError as error:
        version = catalog().find(ref).version
        return _Asked(version.text, ref, version, error=error)
    return _looked_at(_Asked(obtained.label, ref, obtained.version), obtained.tree, None, chosen, blobs)


def _in_the_pins(ref: str) -> bool:
    try:
        catalog().find(ref)
    except UnknownVersionError:
        return False
    return True


def _repository(question: Question) -> str:
    return question.git or os.environ.get("PATCHKIT_GIT") or git.UPSTREAM


def _all_releases(
    question: Question, chosen: Sequence[Combination], blobs: dict[str, bytes], cache: Cache, ui: Ui
) -> list[_Asked]:
    where = _repository(question)
    oldest = Pep440(f"{Version.parse(question.since).pep440}.dev0") if question.since else _FIRST
    known = {release.version: release for release in catalog().releases}
    with history(where, cache, ui, offline=question.offline) as past:
        rows = [
            _release(past, version, tag, known.get(version), chosen, blobs)
            for version, tag in past.tags.items()
            if version.pep440 >= max(oldest, _FIRST)
        ]
    if not rows:
        raise UnknownVersionError(f"{where} has no release since {question.since or 2.1}", advice="patchkit releases")
    return rows


_FIRST = Pep440("2.1.dev0")  # the pins' first release is 2.1_rc1; nothing before it was ever looked at


def _release(
    past: History,
    version: Version,
    tag: str,
    release: Release | None,
    chosen: Sequence[Combination],
    blobs: dict[str, bytes],
) -> _Asked:
    row = _Asked(version.text, tag, version)
    pin = release.tag if release else None
    try:
        return _looked_at(row, past.tree(tag, pin), pin.blobs if pin else None, chosen, blobs)
    except PatchkitError as error:
        row.error = error
        return row


def _looked_at(
    row: _Asked,
    tree: SourceTree,
    known: Mapping[str, str] | None,
    chosen: Sequence[Combination],
    blobs: dict[str, bytes],
) -> _Asked:
    """Name the files by their blobs, and read those that nobody has read yet. A file that is not there is no
    matter to the variants that do not touch it."""
    row.origin = tree.origin
    pinned = {path.rpartition("/")[2]: (path, blob) for path, blob in (known or {}).items()}
    applicable = [one for one in chosen if one.upstream_status(row.version) != "not-applicable"]
    for file in sorted({file for one in applicable for file in one.files}):
        try:
            path, blob = pinned.get(file) or (tree.find(file), "")
            if blob not in blobs:
                data = tree.read(path)
                blob = blob_id(data)
                blobs[blob] = data
            row.files[path] = blob
        except BadSourceError as error:
            row.missing[file] = error
    return row


def _is_tried(one: Combination, row: _Asked) -> bool:
    applies = one.upstream_status(row.version) != "not-applicable"
    return row.error is None and applies and not row.missing.keys() & set(one.files)


def _key(one: Combination, row: _Asked) -> Key:
    touched = tuple((path, blob) for path, blob in row.files.items() if path.rpartition("/")[2] in one.files)
    return one.name, touched


def _row(row: _Asked, chosen: Sequence[Combination], tried: Mapping[Key, list[Attempt]]) -> Row:
    cells = []
    for one in chosen if row.error is None else []:
        lacks = [Attempt({}, pinned=False, error=row.missing[file]) for file in one.files if file in row.missing]
        attempts = lacks[:1] * 2 or tried.get(_key(one, row), [])
        for number, guard in enumerate(forms(one.name)):
            upstream = one.upstream_status(row.version)
            cells.append(judge(one, guard, upstream, attempts[number] if attempts else None))
    return Row(row.label, row.ref, row.version.series, row.origin, cells, row.error, row.files)

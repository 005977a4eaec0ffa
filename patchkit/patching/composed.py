"""A source with several changes one behind the other, as one change: templates and users' own diffs in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from patchkit.errors import (
    AlreadyPatchedError,
    AnchorError,
    BadSourceError,
    ConflictError,
    PatchkitError,
    PatchMismatchError,
)
from patchkit.patching import exact
from patchkit.patching.combination import Combination
from patchkit.patching.csource.file import split_lines
from patchkit.patching.edits import Edit, in_order, overlapping
from patchkit.patching.unified import FileChange, folders_above
from patchkit.source.tree.tree import SYMLINK, Entry, SourceTree, below

Templates = Callable[[Combination, SourceTree], Mapping[str, Sequence[Edit]]]
"""Render what consists of templates for a tree: the edits of each file."""
_ADVICE = "patchkit port PATCH --from V --to V makes a diff for another release; none is applied with fuzz or offsets"
_ADVICE_FOR_NEW = "give the new file another path in the patch, or take a release that has nothing there"
_Row = int | None
_Line = tuple[_Row, bytes]  # the row that a line had at first, from 0; None for one that is new


@dataclass(frozen=True)
class ComposedFile:
    """What becomes of one file in all stages."""

    path: str
    before: list[bytes]
    after: list[bytes]
    edits: list[Edit]
    """In file order; they lead from ``before`` to ``after``."""
    mode: int
    is_new: bool


@dataclass(frozen=True)
class Composed:
    """What becomes of a tree."""

    changes: list[ComposedFile]


def compose(combined: Combination, tree: SourceTree, templates: Templates) -> Composed:
    """Apply the stages of ``combined`` to ``tree`` in memory, each to what the one before has left.

    Raises PatchMismatchError or AlreadyPatchedError where a diff does not fit exactly, ConflictError where it would
    without the other parts, and what ``templates`` raises.
    """
    files = _Files(tree)
    for number, stage in enumerate(combined.stages):
        before = files.tree
        try:
            _run(stage, files, templates)
        except (PatchMismatchError, AlreadyPatchedError, AnchorError, BadSourceError) as error:
            if number == 0:
                raise
            raise _blamed(error, combined.stages[:number], stage, tree, before, templates) from error
    changes = [change for change in files.changes() if change.edits or change.is_new]
    if not changes:
        raise PatchMismatchError(
            f"{combined.name} changes nothing", why="what one part changes, another one takes back"
        )
    return Composed(changes)


def with_files(tree: SourceTree, files: Mapping[str, bytes]) -> SourceTree:
    """Return ``tree`` with ``files`` as they are given."""
    entries = {}
    for path, data in files.items():
        known = tree.entries.get(path)
        mode = known.mode if known is not None else 0o644
        entries[path] = Entry.of(data, mode=mode, mtime=known.mtime if known is not None else tree.origin.epoch)
    return SourceTree(tree.origin, _Overlay(entries, tree.entries))


class _Overlay(Mapping[str, Entry]):
    """Some entries in front of others, which may be those of a commit and are read when they are asked for."""

    def __init__(self, front: Mapping[str, Entry], behind: Mapping[str, Entry]) -> None:
        self._front = front
        self._behind = behind

    def __getitem__(self, path: str) -> Entry:
        return self._front[path] if path in self._front else self._behind[path]

    def below(self, folder: str) -> str | None:
        """Return the path of a file in ``folder``; None where it is not a folder with files."""
        return below(self._behind, folder) or below(self._front, folder)

    def __iter__(self) -> Iterator[str]:
        yield from self._behind
        yield from (path for path in self._front if path not in self._behind)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Files:
    """The files that have changed so far; each line knows which row it had at first."""

    def __init__(self, tree: SourceTree) -> None:
        self._first = tree
        self._lines: dict[str, list[_Line]] = {}

    @property
    def tree(self) -> SourceTree:
        """The tree as it is now."""
        files = {path: b"".join(line for _, line in lines) for path, lines in self._lines.items()}
        return with_files(self._first, files) if files else self._first

    def lines(self, path: str) -> list[bytes] | None:
        """Return the lines of a file as it is now; None where there is none. Raises BadSourceError for a link."""
        if path in self._lines:
            return [line for _, line in self._lines[path]]
        for place in (path, *folders_above(path)):
            entry = self._first.entries.get(place)
            if entry is not None and entry.mode == SYMLINK:
                raise BadSourceError(
                    f"{place} is a symbolic link",
                    why=f"the patch changes {path}; a patch changes files and does not follow links",
                )
        entry = self._first.entries.get(path)
        return split_lines(entry.read()) if entry is not None else None

    def misfits(self, change: FileChange) -> list[exact.Misfit]:
        """List why ``change`` does not fit the files as they are now. Raises BadSourceError for a link."""
        lines = self.lines(change.path)
        tree = self.tree
        for folder in folders_above(change.path):
            if folder in tree:
                return [exact.Misfit(change.path, None, len(change.hunks), f"{folder} is a file, and not a folder")]
        inside = below(tree.entries, change.path) if lines is None else None
        if inside is not None:
            return [exact.Misfit(change.path, None, len(change.hunks), f"it is a folder, and {inside} is in it")]
        return exact.misfits(change, lines)

    def put(self, path: str, edits: Sequence[Edit]) -> None:
        """Change a file; ``edits`` are in file order and fit."""
        lines = self._lines.get(path) or list(enumerate(self.lines(path) or []))
        out: list[_Line] = []
        at = 0
        for edit in edits:
            out += lines[at : edit.start]
            at = edit.start
            for sign, line in edit.body:
                if sign == b"+":
                    out.append((None, line))
                    continue
                if sign == b" ":
                    out.append(lines[at])
                at += 1
        self._lines[path] = out + lines[at:]

    def bring(self, change: FileChange) -> None:
        """Add a new file."""
        self._lines[change.path] = [(None, line) for line in change.hunks[0].side(b"-")]

    def changes(self) -> Iterator[ComposedFile]:
        """Yield what has become of each file, in the order of the paths."""
        for path, lines in sorted(self._lines.items()):
            entry = self._first.entries.get(path)
            before = split_lines(entry.read()) if entry is not None else []
            mode = entry.mode if entry is not None else 0o644
            after = [line for _, line in lines]
            yield ComposedFile(path, before, after, _edits(before, lines), mode, is_new=entry is None)


def _edits(before: Sequence[bytes], after: Sequence[_Line]) -> list[Edit]:
    """The edits that lead from ``before`` to ``after``, whose lines know their rows: between two rows that are kept."""
    edits: list[Edit] = []
    new: list[bytes] = []
    at = 0
    for row, line in (*after, (len(before), b"")):
        if row is None:
            new.append(line)
            continue
        old = list(before[at:row])
        start, end = 0, 0
        while start < min(len(old), len(new)) and old[start] == new[start]:
            start += 1
        while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
            end += 1
        gone, come = old[start : len(old) - end], new[start : len(new) - end]
        if gone or come:
            body = (*((b"-", line) for line in gone), *((b"+", line) for line in come))
            edits.append(Edit(at + start, body))
        new, at = [], row + 1
    return edits


def _run(stage: Combination, files: _Files, templates: Templates) -> None:
    (part, *_) = stage.parts
    if part.diffs is None:
        for path, edits in templates(stage, files.tree).items():
            files.put(path, edits)
        return
    for name, changes in part.diffs:
        # All of a diff, or nothing of it: every misfit is told at once.
        misfits = [misfit for change in changes for misfit in files.misfits(change)]
        if misfits:
            brought = {change.path for change in changes if change.is_new}
            advice = _ADVICE_FOR_NEW if misfits[0].path in brought else _ADVICE
            raise exact.error(name if len(part.diffs) == 1 else f"{name}, of {part.name},", misfits, advice)
        for change in changes:
            if change.is_new:
                files.bring(change)
            else:
                files.put(change.path, exact.edits(change))


def _blamed(
    error: PatchkitError,
    earlier: Sequence[Combination],
    stage: Combination,
    tree: SourceTree,
    before: SourceTree,
    templates: Templates,
) -> PatchkitError:
    """Return the error for a stage that fails behind ``earlier`` ones: a conflict, if it fits without them."""
    try:
        alone = _Files(tree)
        _run(stage, alone, templates)
    except PatchkitError:
        return error
    names = "+".join(other.name for other in earlier)
    places = []
    for change in alone.changes():
        others = _Files(tree)
        now = before.entries.get(change.path)
        if now is None or now.read() == b"".join(change.before):
            continue
        for other in earlier:
            try:
                _run(other, others, templates)
            except PatchkitError:
                break
        theirs = [other for other in others.changes() if other.path == change.path]
        clash = overlapping(in_order([*change.edits, *(edit for other in theirs for edit in other.edits)]))
        if clash is not None:
            row = clash[1].start
            text = change.before[row].decode("utf-8", "replace").rstrip() if row < len(change.before) else ""
            places.append(f"{change.path}, line {row + 1}: {text}")
    return ConflictError(
        f"{stage.name} and {names} can't be combined: {places[0].partition(':')[0] if places else error.what}",
        why="\n".join(["each fits the source alone", *places, error.what, error.why]).strip(),
        advice=f"make the patch for a source that has {names}"
        if places
        else "give --patch in front of --variant, or behind it: each is made for what the one before leaves",
    )

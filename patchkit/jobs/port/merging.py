"""Merge the steps of a patch into another release, file by file: base, upstream's new file, and the patched old one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from patchkit.errors import PortConflictError
from patchkit.patching import exact
from patchkit.patching.composed import with_files
from patchkit.patching.csource.file import split_lines
from patchkit.patching.edits import spliced
from patchkit.patching.unified import FileChange
from patchkit.patching.variants import Variant
from patchkit.printable import in_one_line
from patchkit.source.git.merge import MergeConflict, merge_file
from patchkit.source.tree.tree import SYMLINK, SourceTree

Moves = Callable[[Sequence[str]], Mapping[str, str]]
"""Finds where upstream has moved files, by their old paths."""
_SHOWN = 20  # conflicts that a message shows
_LINES = 12  # lines of one side


@dataclass
class Merging:
    """Two releases, and what the steps so far have made of them."""

    old: SourceTree
    new: SourceTree
    labels: tuple[str, str]
    moves: Moves
    before: dict[str, bytes] = field(default_factory=dict)
    """The patched files of the old release, by path."""
    after: dict[str, bytes] = field(default_factory=dict)
    """The merged files of the new release, by path."""
    paths: dict[str, str] = field(default_factory=dict)
    """The paths in the new release, by those in the old one."""
    moved_hunks: list[str] = field(default_factory=list)
    """Hunks that stand elsewhere in the old release than the patch states."""

    def run(self, patch: Variant) -> None:
        """Merge all steps of ``patch``.

        A hunk may stand elsewhere in the old release than the patch states, if its lines stand there byte for byte and
        at no other place. Raises PatchMismatchError where one does not fit the old release, and PortConflictError for
        everything that a step and upstream change in different ways.
        """
        for name, stated in patch.diffs or ():
            old = with_files(self.old, self.before)
            lines = {change.path: split_lines(_read(old, change.path) or b"") for change in stated}
            there = {path: content if path in old else None for path, content in lines.items()}
            placed = [exact.relocated(change, there[change.path]) for change in stated]
            changes = [change for change, _ in placed]
            self.moved_hunks += [f"{name}, {text}" for _, texts in placed for text in texts]
            misfits = [misfit for change in changes for misfit in exact.misfits(change, there[change.path])]
            if misfits:
                raise exact.error(f"{name}, for {self.labels[0]},", misfits, "--from names the release that it is for")
            self._find([change.path for change in changes if not change.is_new])
            patched = {change.path: _patched(change, lines[change.path]) for change in changes}
            conflicts = [text for change in changes for text in self._merge(change, patched[change.path], old)]
            if conflicts:
                raise self._error(name, conflicts)
            self.before |= patched

    def _find(self, paths: Sequence[str]) -> None:
        lost = [path for path in paths if path not in self.paths and path not in self.new]
        if lost:
            self.paths |= self.moves(lost)

    def _merge(self, change: FileChange, patched: bytes, old: SourceTree) -> list[str]:
        """Merge one file; return the conflicts, as texts."""
        new = with_files(self.new, self.after)
        path = self.paths.setdefault(change.path, change.path)
        upstream = _read(new, path)
        if change.is_new:
            if upstream is not None and upstream != patched:
                return [f"{path}: the patch brings it, and {self.labels[1]} has another file of that name"]
            self.after[path] = patched
            return []
        if upstream is None:
            return [f"{path}: {self.labels[1]} has no such file, and upstream's history does not say where it went"]
        before = old.read(change.path)
        if upstream == before:
            self.after[path] = patched
            return []
        merge = merge_file(upstream, before, patched)
        self.after[path] = merge.merged
        return [self._text(path, conflict) for conflict in merge.conflicts]

    def _text(self, path: str, conflict: MergeConflict) -> str:
        sides = ((self.labels[0], conflict.before), ("the patch", conflict.patch), (self.labels[1], conflict.upstream))
        parts = [f"{path}, line {conflict.row} of {self.labels[1]}:"]
        for label, lines in sides:
            parts.append(f"  {label}:" + ("" if lines else " nothing"))
            parts += [f"    {in_one_line(line.decode('utf-8', 'replace').rstrip())}" for line in lines[:_LINES]]
            parts += [f"    and {len(lines) - _LINES} lines more"] if len(lines) > _LINES else []
        return "\n".join(parts)

    def _error(self, name: str, conflicts: Sequence[str]) -> PortConflictError:
        count = f"{len(conflicts)} conflict{'' if len(conflicts) == 1 else 's'}"
        more = [f"and {len(conflicts) - _SHOWN} more"] if len(conflicts) > _SHOWN else []
        return PortConflictError(
            f"{name} can't be ported from {self.labels[0]} to {self.labels[1]}: {count}",
            why="\n".join([*conflicts[:_SHOWN], *more]),
            advice="port it to a release in between first, or resolve it by hand: nothing was written",
        )


def _read(tree: SourceTree, path: str) -> bytes | None:
    entry = tree.entries.get(path)
    return entry.read() if entry is not None and entry.mode != SYMLINK else None


def _patched(change: FileChange, lines: Sequence[bytes]) -> bytes:
    return b"".join(spliced(lines, exact.edits(change)))

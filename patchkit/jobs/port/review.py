"""What a person has to look at after a merge without conflicts: upstream's changes beside those of the patch."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.errors import AnchorError
from patchkit.jobs.port.merging import Merging
from patchkit.jobs.port.result import Neighbour, PortedFile
from patchkit.patching import names, unified
from patchkit.patching.composed import with_files
from patchkit.patching.csource.file import parse
from patchkit.patching.edits import Edit
from patchkit.patching.render import Rendered
from patchkit.patching.touched import Touched, touched
from patchkit.patching.unified import FileChange
from patchkit.source.git.merge import diff_file
from patchkit.source.tree.tree import SourceTree

_NEAR = 3
"""Lines: what a diff shows as context."""
_SHOWN = 30  # lines of one neighbour


def file_of(path: str, merging: Merging) -> PortedFile:
    """Compare the file ``path`` of the old release, patched there and merged in the new one."""
    there = merging.paths[path]
    old, new = _content(merging.old, path), _content(merging.new, there)
    patched, merged = merging.before[path], merging.after[there]
    by_patch, by_upstream = touched(path, old, patched), touched(path, old, new)
    return PortedFile(
        before=path,
        after=there,
        is_upstreams=old == new,
        has_it_already=merged == new,
        touched_before=by_patch,
        touched_after=touched(there, new, merged),
        changed_by_upstream=sorted(_names(by_patch) & _names(by_upstream)),
        neighbours=_neighbours(there, old, new, patched) if new not in (old, merged) else [],
    )


def doubt(who: str, rendered: Rendered, tree: SourceTree) -> str:
    """Look for a name that the new code uses and ``tree`` does not declare; empty where none is found."""
    changes = []
    for change in unified.read(rendered.diff, who):
        if change.path.endswith((".c", ".h")) and not change.is_new:
            before = parse(change.path, tree.read(change.path))
            after = parse(change.path, rendered.files[change.path])
            changes.append(names.Changed(before, after, [Edit(hunk.start, hunk.body) for hunk in change.hunks]))
    brought = {path: data for path, data in rendered.files.items() if path not in tree}
    try:
        names.check(who, with_files(tree, brought), changes, guard=False)
    except AnchorError as error:
        return f"{error.what}\n{error.why}".strip()
    return ""


def _names(of: Touched) -> set[str]:
    return {*of.functions, *of.structs}


def _content(tree: SourceTree, path: str) -> bytes:
    return tree.read(path) if path in tree else b""


def _neighbours(path: str, old: bytes, new: bytes, patched: bytes) -> list[Neighbour]:
    ours = _spans(_change(old, patched, path))
    neighbours = []
    for start, end, hunk_row, removed, added in _runs(_change(old, new, path)):
        if any(start <= their_end + _NEAR and their_start <= end + _NEAR for their_start, their_end in ours):
            neighbours.append(Neighbour(hunk_row + 1, _texts(removed), _texts(added)))
    return neighbours


def _change(before: bytes, after: bytes, path: str) -> FileChange:
    (change,) = unified.read(diff_file(before, after, path), path)
    return change


def _spans(change: FileChange) -> list[tuple[int, int]]:
    return [(start, end) for start, end, _, _, _ in _runs(change)]


def _runs(change: FileChange) -> list[tuple[int, int, int, list[bytes], list[bytes]]]:
    """Each run of changed lines: its first and last row before, its row behind, what goes and what comes."""
    runs: list[tuple[int, int, int, list[bytes], list[bytes]]] = []
    for hunk in change.hunks:
        row, now = hunk.start, hunk.new_start
        gone: list[bytes] = []
        come: list[bytes] = []
        for sign, line in (*hunk.body, (b" ", b"")):
            if sign == b"-":
                gone.append(line)
            elif sign == b"+":
                come.append(line)
            else:
                if gone or come:
                    runs.append((row, row + len(gone), now, gone, come))
                    row, now, gone, come = row + len(gone), now + len(come), [], []
                row, now = row + 1, now + 1
    return runs


def _texts(lines: Sequence[bytes]) -> list[str]:
    texts = [line.decode("utf-8", "replace").rstrip() for line in lines[:_SHOWN]]
    return [*texts, f"... and {len(lines) - _SHOWN} lines more"] if len(lines) > _SHOWN else texts

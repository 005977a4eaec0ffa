"""Check a file's change before it becomes a diff: it stays inside, the guard hides all of it, the result is C."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.errors import AnchorError, BadVariantError
from patchkit.patching.changes.edited_file import EditedFile
from patchkit.patching.combination import Combination
from patchkit.patching.csource.file import CSource, split_lines
from patchkit.patching.edits import Edit, directive_rows, resolved, seams
from patchkit.patching.variants import Variant


def check_seams(combined: Combination, source: CSource, edits: Sequence[Edit]) -> None:
    """Raise AnchorError where a directive of the guard would not have a line of its own: in a comment, say."""
    for row in (row for edit in edits for row in seams(edit)):
        if source.joined(row):
            raise AnchorError(
                f"no guard can stand before line {row + 1} of {source.name}, for {', '.join(combined.functions)}",
                why=f"a comment or a backslash joins it to line {row}: {source.text(row)}",
            )


def check_guard(combined: Combination, change: EditedFile) -> None:
    """Raise BadVariantError where the guard does not hide all of the change, or does not show all of it."""
    after = split_lines(change.after)
    rows = directive_rows(after)
    off, on = (resolved(after, on=on, rows=rows) for on in (False, True))
    if off != change.source.lines or b"".join(on) != change.unguarded.after:
        raise BadVariantError(
            f"{combined.name} can't be guarded in {change.path}",
            why="with the guard off, the preprocessor would not see the original source",
        )


def check_after(combined: Combination, unguarded: EditedFile) -> None:
    """Raise BadVariantError where what changes can't be parsed after it, or another function comes or goes."""
    before, after = unguarded.source, unguarded.source.like(unguarded.after)
    broken = [name for name in combined.touched if any(node.has_error for node in after.declarations(name))]
    broken += [f"struct {name}" for name in combined.structs if any(node.has_error for node in after.structs(name))]
    if broken:
        raise BadVariantError(f"{combined.name} would leave {broken[0]} in {unguarded.path} with a syntax error")
    new = after.defined - before.defined
    stray = sorted(new.difference(combined.added))
    if stray or not before.defined <= after.defined:
        raise BadVariantError(f"{combined.name} would leave other functions in {unguarded.path}", why=", ".join(stray))


def check_inside(part: Variant, edits: Sequence[Edit], source: CSource) -> None:
    """Raise AnchorError for a change outside of what ``part`` names; new functions stand behind a named one."""
    functions = [node for name in part.functions for node in source.declarations(name)]
    structs = [node for name in part.structs for node in source.structs(name)]
    spans = [(node.start_point.row, node.end_point.row + 1) for node in (*functions, *structs)]
    for edit in edits:
        # What only puts lines in must stand between two lines of the function, or be functions behind it.
        last = 1 if part.added else 0
        inside = (
            (start <= edit.start and edit.end <= end) if edit.old else (start < edit.start < end + last)
            for start, end in spans
        )
        if not any(inside):
            named = [*part.functions, *(f"struct {name}" for name in part.structs)]
            raise AnchorError(
                f"{part.name} would change {source.name} outside of {', '.join(named)}",
                why=f"line {edit.start + 1}: {source.text(min(edit.start + 1, len(source.lines)))}",
            )

"""Find the change of one file; refuse one that depends on which ``#if`` branch is compiled."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

from patchkit.errors import AnchorError, ConflictError, PinMismatchError
from patchkit.patching import pins
from patchkit.patching.changes.checks import check_after, check_guard, check_seams
from patchkit.patching.changes.computation import Computation
from patchkit.patching.changes.edited_file import EditedFile
from patchkit.patching.changes.locate import path_to_change
from patchkit.patching.changes.part_edits import edits_of
from patchkit.patching.combination import Combination
from patchkit.patching.csource import conditionals
from patchkit.patching.csource.file import MAX_SOURCE, CSource, parse
from patchkit.patching.edits import guarded, overlapping, spliced
from patchkit.source.tree.tree import SourceTree

_SHOWN = 4  # lines that a message lists
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def change_of(combined: Combination, tree: SourceTree, file: str, *, guard: bool) -> EditedFile:
    """Find what ``combined`` changes in ``file`` of ``tree``.

    Raises AnchorError where that depends on an ``#if`` or can't be told, AlreadyPatchedError, ConflictError,
    BadVariantError, BadSourceError and PinMismatchError.
    """
    path = path_to_change(combined, tree, file)
    mode = tree.entries[path].mode
    data = tree.read(path)
    source = parse(path, data)
    if len(data) > MAX_SOURCE:
        return _change_in(combined, source, file, mode, guard=guard)
    if pins.is_upstreams(file, data):
        stated = [pins.pinned(part, path, data, guard=guard) for part in combined.parts]
        form = f"{file}\0{mode:o}\0{'guarded' if guard else 'plain'}\0{stated}"
        return _change_once(
            Computation(combined, source, form, lambda: _change_of_pinned(combined, source, file, mode, guard=guard))
        )
    if data.startswith(_UTF_16):
        raise AnchorError(
            f"{path} is UTF-16, and {_listed(combined.functions)} can't be found in it",
            why="a compiler does not read UTF-16 either",
            advice=f"iconv -f UTF-16 -t UTF-8 {path}; then again",
        )
    text = conditionals.read(data)
    failed: AnchorError | None = None
    try:
        change = _change_in(combined, source, file, mode, guard=guard)
    except AnchorError as error:
        if text.broken is None and text.view(0) == data:
            raise
        failed = error
    else:
        dead = text.dead_rows()
        if not any(edit.start <= row <= edit.end for edit in change.edits for row in dead):
            return change
    if failed is not None and text.broken is not None:
        row, why = text.broken
        raise AnchorError(
            f"{path} can't be parsed as C from line {row} on, so {_listed(combined.functions)} can't be found in it",
            why=f"line {row}: {source.text(row)}\n{why}",
            advice="render it against a whole source: patchkit fetch --version V --to DIR",
        ) from failed
    return _change_in_views(combined, source, file, mode, guard=guard)


_in_a_view: set[str] = set()
"""The names of files of upstream's that could only be read in a view: the next one is read in a view at once."""


def _change_of_pinned(combined: Combination, source: CSource, file: str, mode: int, *, guard: bool) -> EditedFile:
    """Find the change of a file of upstream's in one view: that all give the same was checked for its pin."""

    def seen() -> EditedFile:
        return _change_in(combined, parse(source.name, source.data, 0), file, mode, guard=guard)

    if file in _in_a_view and conditionals.read(source.data).split:
        with suppress(AnchorError, PinMismatchError):
            return seen()
    try:
        return _change_in(combined, source, file, mode, guard=guard)
    except AnchorError:
        if not conditionals.read(source.data).split:
            raise
        change = seen()
        _in_a_view.add(file)
        return change


def _listed(functions: Sequence[str]) -> str:
    more = f" and {len(functions) - _SHOWN} more" if len(functions) > _SHOWN else ""
    return ", ".join(functions[:_SHOWN]) + more


def _change_in_views(combined: Combination, source: CSource, file: str, mode: int, *, guard: bool) -> EditedFile:
    """The change of a file that can't be read as a whole: the same in every view of it, or none."""
    text = conditionals.read(source.data)
    if text.number > conditionals.MAX_VIEWS:
        raise AnchorError(f"{source.name} has an #if with {text.number} branches that can't be read together")
    changes: list[EditedFile] = []
    errors: list[AnchorError] = []
    for number in range(text.number):
        try:
            changes.append(_change_in(combined, parse(source.name, source.data, number), file, mode, guard=guard))
        except AnchorError as error:
            errors.append(error)
    if errors and not changes:
        raise errors[0]
    if errors or any(change.by_part != changes[0].by_part for change in changes):
        rows = [f"line {row}: {source.text(row)}" for row in _within(combined, source, text.split_rows)]
        raise AnchorError(
            f"what {combined.name} changes in {source.name} depends on which branch of an #if is compiled",
            why="\n".join([*rows[:_SHOWN], *(error.what for error in errors[:1])]),
            advice="a variant never guesses; render it against an unaltered source",
        )
    return changes[0]


def _within(combined: Combination, source: CSource, rows: Sequence[int]) -> list[int]:
    """Those of ``rows``, from 1, that stand in what ``combined`` changes; all of them where none does."""
    view = parse(source.name, source.data, 0)
    nodes = [node for name in combined.functions for node in view.declarations(name)]
    nodes += [node for name in combined.structs for node in view.structs(name)]
    inside = [row for row in rows if any(node.start_point.row < row <= node.end_point.row + 1 for node in nodes)]
    return inside or list(rows)


def _change_in(combined: Combination, source: CSource, file: str, mode: int, *, guard: bool) -> EditedFile:
    """The change of one file; a part is checked against its pins alone, also when there are other parts."""
    path = source.name
    plain = tuple(edits_of(part, file, source) for part in combined.parts)
    if guard:
        check_seams(combined, source, [edit for edits in plain for edit in edits])
    by_part = tuple(tuple(map(guarded, edits)) for edits in plain) if guard else plain
    change = EditedFile(path, source, mode, by_part, plain)
    for part, edits in zip(combined.parts, by_part, strict=True):
        if edits:
            alone = change.after if edits == tuple(change.edits) else b"".join(spliced(source.lines, edits))
            pins.check(part, path, source.data, alone, guard=guard)
    clash = overlapping(change.edits)
    if clash:
        raise ConflictError(
            f"the parts of {combined.name} can't be combined in {path}",
            why=f"two of them change line {clash[1].start + 1}: {source.text(clash[1].start + 1)}",
        )
    if guard:
        check_guard(combined, change)
    unguarded = change.unguarded
    if unguarded.edits and not _is_pinned(combined, unguarded):
        _checked_once(Computation(combined, source, unguarded.after, lambda: check_after(combined, unguarded)))
    return change


@lru_cache(maxsize=256)
def _checked_once(check: Computation[None]) -> None:
    check.run()


def _is_pinned(combined: Combination, unguarded: EditedFile) -> bool:
    """Whether a pin of the catalogue's states this very post-image: it was checked when the pin was made."""
    part, path, before = combined.parts[0], unguarded.path, unguarded.source.data
    if len(combined.parts) > 1 or part.is_own:
        return False
    return pins.pinned(part, path, before, guard=False) == hashlib.sha256(unguarded.after).hexdigest()


@lru_cache(maxsize=160)  # two releases, with all of the catalogue's variants in both forms
def _change_once(change: Computation[EditedFile]) -> EditedFile:
    return change.run()

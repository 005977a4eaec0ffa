"""From a variant's templates and a source tree to an ordinary unified diff, exact for that tree.

A template yields hunks at lines that its anchors found. They are checked against the source, held inside
the functions that the variant names, given context and headers; the diff is then applied by
:mod:`patchkit.patching.apply`, and both must agree on every byte. With a guard, the source that a
preprocessor sees with the macro unset must be the original to the byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from patchkit.errors import PatchMismatchError
from patchkit.patching import dep3
from patchkit.patching.apply import apply
from patchkit.patching.changes.whole_tree import changes_of
from patchkit.patching.combination import Combination
from patchkit.patching.composed import Composed, ComposedFile, compose, with_files
from patchkit.patching.edits import (
    Edit,
    file_diff,
    new_file_diff,
    spliced,
)
from patchkit.source.tree.tree import SourceTree


@dataclass(frozen=True)
class Rendered:
    """A diff, and the files that it changes."""

    variant: str
    guard: bool
    diff: bytes
    """DEP-3 header and unified diff; empty for stock."""
    files: Mapping[str, bytes]
    """The post-images of all files that the diff changes, by path."""

    @property
    def sha256(self) -> str:
        """The SHA-256 of the diff, in hex."""
        return hashlib.sha256(self.diff).hexdigest()


def render(
    combined: Combination,
    tree: SourceTree,
    label: str,
    *,
    series: str | None = None,
    guard: bool = False,
    check_names: bool = True,
) -> Rendered:
    """Render ``combined`` against ``tree``: one diff with all parts, exact for this very tree.

    ``label`` names the release in the diff's header; ``series`` is the series, used when the label is not a version.
    Without ``check_names``, what the tree declares is not looked at: for a tree of which only some files are at hand.

    Raises AnchorError when an anchor is missing or doubled, or new code uses a name that the tree does not declare or
    brings one that it has, AlreadyPatchedError when the source has the change already or another variant,
    ConflictError when two parts change the same line, BadSourceError when a file is missing or a symbolic link,
    BadUsageError when a guard is asked for and there is no guarded form, BadVariantError when a template or pins are
    wrong, PatchMismatchError when the finished diff does not apply exactly, and PinMismatchError when a pin has another
    result.
    """
    if combined.is_stock:
        return Rendered(combined.name, guard=False, diff=b"", files={})
    header = dep3.header(combined, label, series, guard=guard)
    if combined.has_diffs:
        composed = _composed(combined, tree, guard=guard, check_names=check_names)
        return _rendered(combined.name, guard, header, composed.changes, tree)
    return render_below(header, combined, tree, guard=guard, check_names=check_names)


def render_below(
    header: bytes, combined: Combination, tree: SourceTree, *, guard: bool = False, check_names: bool = False
) -> Rendered:
    """Render ``combined`` against ``tree`` as :func:`render` does, with ``header`` in front of the diff.

    For changes to other sources than OpenVPN's too, whose variants name whole paths, and whose names are not checked.
    Raises what :func:`render` raises.
    """
    changes = changes_of(combined, tree, guard=guard, check_names=check_names)
    body = b"".join(change.diff for change in changes)
    expected = {change.path: change.after for change in changes}
    return Rendered(combined.name, guard, header + body, _applied(header + body, tree, expected))


def render_series(
    combined: Combination,
    tree: SourceTree,
    label: str,
    *,
    series: str | None = None,
    guard: bool = False,
    check_names: bool = True,
) -> list[Rendered]:
    """Render ``combined`` as one diff for each part, each for the tree that the diff before it leaves.

    Raises what :func:`render` raises.
    """
    if combined.has_diffs:
        return _series_with_diffs(combined, tree, label, series=series, guard=guard, check_names=check_names)
    changes = changes_of(combined, tree, guard=guard, check_names=check_names)
    rendered = []
    for number, part in enumerate(combined.parts):
        steps = [(change, *change.step(number)) for change in changes if change.by_part[number]]
        body = b"".join(file_diff(change.path, lines, edits, change.mode) for change, lines, edits in steps)
        diff = dep3.header(Combination((part,)), label, series, guard=guard) + body
        expected = {change.path: b"".join(spliced(lines, edits)) for change, lines, edits in steps}
        patch = Rendered(part.name, guard, diff, _applied(diff, tree, expected))
        tree = with_files(tree, patch.files)
        rendered.append(patch)
    return rendered


def _series_with_diffs(
    combined: Combination, tree: SourceTree, label: str, *, series: str | None, guard: bool, check_names: bool
) -> list[Rendered]:
    """One diff for each part of a combination in which there are a user's diffs."""
    _composed(combined, tree, guard=guard, check_names=check_names)  # an error that names both sides of a conflict
    rendered: list[Rendered] = []
    for stage in combined.stages:
        if stage.has_diffs:
            header = dep3.header(stage, label, series, guard=guard)
            composed = _composed(stage, tree, guard=guard, check_names=check_names)
            patches = [_rendered(stage.name, guard, header, composed.changes, tree)]
        else:
            patches = render_series(stage, tree, label, series=series, guard=guard, check_names=check_names)
        for patch in patches:
            tree = with_files(tree, patch.files)
        rendered += patches
    return rendered


def _composed(combined: Combination, tree: SourceTree, *, guard: bool, check_names: bool) -> Composed:
    if guard:
        combined.check_guard()

    def templates(stage: Combination, before: SourceTree) -> dict[str, list[Edit]]:
        changes = changes_of(stage, before, guard=guard, check_names=check_names)
        return {change.path: change.edits for change in changes}

    return compose(combined, tree, templates)


def _rendered(name: str, guard: bool, header: bytes, changes: Sequence[ComposedFile], tree: SourceTree) -> Rendered:
    body = b"".join(
        new_file_diff(change.path, change.after, change.mode)
        if change.is_new
        else file_diff(change.path, change.before, change.edits, change.mode)
        for change in changes
    )
    expected = {change.path: b"".join(change.after) for change in changes}
    new = [change.path for change in changes if change.is_new]
    return Rendered(name, guard, header + body, _applied(header + body, tree, expected, new))


def _applied(
    diff: bytes, tree: SourceTree, expected: Mapping[str, bytes], new: Sequence[str] = ()
) -> Mapping[str, bytes]:
    applied = apply(diff, tree, new)
    if dict(applied) != expected:
        raise PatchMismatchError(
            "the diff does not give what was rendered", why="a fault in patchkit; please report it"
        )
    return applied

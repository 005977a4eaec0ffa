"""From a variant's templates and a source tree to an ordinary unified diff, exact for that tree.

A template yields hunks at lines that its anchors found. They are checked against the source, held inside
the functions that the variant names, given context and headers; the diff is then applied by
:mod:`patchkit.patching.apply`, and both must agree on every byte. With a guard, the source that a
preprocessor sees with the macro unset must be the original to the byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from patchkit.errors import (
    AlreadyPatchedError,
    AnchorError,
    BadSourceError,
    BadVariantError,
    ConflictError,
    PatchMismatchError,
)
from patchkit.patching import dep3, pins
from patchkit.patching.apply import apply
from patchkit.patching.combination import Combination
from patchkit.patching.csource.anchors import Anchors
from patchkit.patching.csource.file import CSource, parse, split_lines
from patchkit.patching.csource.whole_lines import Lines
from patchkit.patching.edits import (
    Edit,
    file_diff,
    guarded,
    in_order,
    overlapping,
    read_edits,
    resolved,
    seams,
    spliced,
)
from patchkit.patching.variants import Variant
from patchkit.source.tree.tree import SYMLINK, Entry, SourceTree

if TYPE_CHECKING:
    from jinja2 import Environment, Template


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
    combined: Combination, tree: SourceTree, label: str, *, series: str | None = None, guard: bool = False
) -> Rendered:
    """Render ``combined`` against ``tree``: one diff with all parts, exact for this very tree.

    ``label`` names the release in the diff's header; ``series`` is the series, used when the label is not a version.

    Raises AnchorError when an anchor is missing or doubled, AlreadyPatchedError when the source has the change already,
    ConflictError when two parts change the same line, BadSourceError when a file is missing or a symbolic link,
    BadUsageError when a guard is asked for and there is no guarded form, BadVariantError when a template or pins are
    wrong, PatchMismatchError when the finished diff does not apply exactly, and PinMismatchError when a pin has another
    result.
    """
    if combined.is_stock:
        return Rendered(combined.name, guard=False, diff=b"", files={})
    return render_below(dep3.header(combined, label, series, guard=guard), combined, tree, guard=guard)


def render_below(header: bytes, combined: Combination, tree: SourceTree, *, guard: bool = False) -> Rendered:
    """Render ``combined`` against ``tree`` as :func:`render` does, with ``header`` in front of the diff.

    For changes to other sources than OpenVPN's too, whose variants name whole paths. Raises what :func:`render` raises.
    """
    changes = _changes(combined, tree, guard=guard)
    body = b"".join(file_diff(change.path, change.source.lines, change.edits, change.mode) for change in changes)
    expected = {change.path: change.after for change in changes}
    return Rendered(combined.name, guard, header + body, _applied(header + body, tree, expected))


def render_series(
    combined: Combination, tree: SourceTree, label: str, *, series: str | None = None, guard: bool = False
) -> list[Rendered]:
    """Render ``combined`` as one diff for each part, each for the tree that the diff before it leaves.

    Raises what :func:`render` raises.
    """
    changes = _changes(combined, tree, guard=guard)
    rendered = []
    for number, part in enumerate(combined.parts):
        steps = [step for step in (change.step(number) for change in changes) if step[2]]
        body = b"".join(file_diff(change.path, lines, edits, change.mode) for change, lines, edits in steps)
        diff = dep3.header(Combination((part,)), label, series, guard=guard) + body
        expected = {change.path: b"".join(spliced(lines, edits)) for change, lines, edits in steps}
        patch = Rendered(part.name, guard, diff, _applied(diff, tree, expected))
        entries = {path: Entry.of(data, mode=tree.entries[path].mode) for path, data in patch.files.items()}
        tree = SourceTree(tree.origin, {**tree.entries, **entries})
        rendered.append(patch)
    return rendered


def _applied(diff: bytes, tree: SourceTree, expected: Mapping[str, bytes]) -> Mapping[str, bytes]:
    applied = apply(diff, tree)
    if dict(applied) != expected:
        raise PatchMismatchError(
            "the diff does not give what was rendered", why="a fault in patchkit; please report it"
        )
    return applied


@dataclass(frozen=True)
class _Change:
    """What all parts do to one file."""

    path: str
    source: CSource
    mode: int
    by_part: tuple[tuple[Edit, ...], ...]

    @property
    def edits(self) -> list[Edit]:
        """The edits of all parts, in file order."""
        return in_order([edit for edits in self.by_part for edit in edits])

    @cached_property
    def after(self) -> bytes:
        """The post-image."""
        return b"".join(spliced(self.source.lines, self.edits))

    def step(self, number: int) -> tuple[_Change, list[bytes], list[Edit]]:
        """Return the lines that the parts before part ``number`` leave, and its own edits in them."""
        before = in_order([edit for edits in self.by_part[:number] for edit in edits])
        moved = [
            edit.moved(sum(other.new - other.old for other in before if in_order([other, edit])[0] is other))
            for edit in self.by_part[number]
        ]
        return self, spliced(self.source.lines, before), moved


def _changes(combined: Combination, tree: SourceTree, *, guard: bool) -> list[_Change]:
    """The change of each file; files that stay as they are have none."""
    if guard:
        combined.check_guard()
    changes = [change for file in combined.files if (change := _change(combined, tree, file, guard=guard)).edits]
    if not changes:
        raise BadVariantError(f"{combined.name} changes nothing in this release")
    return changes


def _change(combined: Combination, tree: SourceTree, file: str, *, guard: bool) -> _Change:
    """The change of one file; a part is checked against its pins alone, also when there are other parts."""
    path = tree.find(file)
    mode = tree.entries[path].mode
    if mode == SYMLINK:
        raise BadSourceError(f"{path} is a symbolic link", why="a patch changes files and does not follow links")
    change = _change_of(Keyed.of(combined.parts), file, path, mode, tree.read(path), guard=guard)
    for part, edits in zip(combined.parts, change.by_part, strict=True):
        if edits:
            alone = len(combined.parts) == 1
            after = change.after if alone else b"".join(spliced(change.source.lines, edits))
            pins.check(part, path, change.source.data, after, guard=guard)
    return change


@dataclass(frozen=True)
class Keyed:
    """Variants as a part of a key: those that are described alike, by the same templates, are equal."""

    key: tuple[object, ...]
    parts: tuple[Variant, ...] = field(compare=False)

    @classmethod
    def of(cls, parts: tuple[Variant, ...]) -> Keyed:
        """Make the key of ``parts``."""
        return cls((*(part.model_dump_json() for part in parts), *map(_templates, parts)), parts)


def _templates(part: Variant) -> tuple[str, ...]:
    return tuple(part.template(file) for file in part.files)


@lru_cache(maxsize=64)
def _change_of(keyed: Keyed, file: str, path: str, mode: int, data: bytes, *, guard: bool) -> _Change:
    """The change of one file, not yet compared with its pins.

    Neighbouring releases share most of their files: what has been rendered last is kept.
    """
    combined = Combination(keyed.parts)
    source = parse(path, data)
    plain = tuple(tuple(_kept_edits(Keyed.of((part,)), file, source)) for part in combined.parts)
    if guard:
        _check_seams(combined, source, [edit for edits in plain for edit in edits])
    by_part = tuple(tuple(map(guarded, edits)) for edits in plain) if guard else plain
    change = _Change(path, source, mode, by_part)
    clash = overlapping(change.edits)
    if clash:
        raise ConflictError(
            f"the parts of {combined.name} can't be combined in {path}",
            why=f"two of them change line {clash[1].start + 1}: {source.text(clash[1].start + 1)}",
        )
    unguarded = _Change(path, source, mode, plain) if guard else change
    if guard:
        _check_guard(combined, change, unguarded)
    _check_after(combined, unguarded)
    return change


def _check_seams(combined: Combination, source: CSource, edits: Sequence[Edit]) -> None:
    """A directive must have a line of its own: not in a comment, nor behind a backslash."""
    for row in (row for edit in edits for row in seams(edit)):
        if source.joined(row):
            raise AnchorError(
                f"no guard can stand before line {row + 1} of {source.name}, for {', '.join(combined.functions)}",
                why=f"a comment or a backslash joins it to line {row}: {source.text(row)}",
            )


def _check_guard(combined: Combination, change: _Change, unguarded: _Change) -> None:
    """A guard hides all of the change, or shows all of it."""
    after = split_lines(change.after)
    if resolved(after, on=False) != change.source.lines or b"".join(resolved(after, on=True)) != unguarded.after:
        raise BadVariantError(
            f"{combined.name} can't be guarded in {change.path}",
            why="with the guard off, the preprocessor would not see the original source",
        )


def _check_after(combined: Combination, unguarded: _Change) -> None:
    """The post-image without a guard: what changes can be parsed, and no other function comes or goes."""
    before, after = unguarded.source, parse(unguarded.path, unguarded.after)
    broken = [name for name in combined.touched if any(node.has_error for node in after.declarations(name))]
    broken += [f"struct {name}" for name in combined.structs if any(node.has_error for node in after.structs(name))]
    if broken:
        raise BadVariantError(f"{combined.name} would leave {broken[0]} in {unguarded.path} with a syntax error")
    new = after.defined - before.defined
    stray = sorted(new.difference(combined.added))
    if stray or not before.defined <= after.defined:
        raise BadVariantError(f"{combined.name} would leave other functions in {unguarded.path}", why=", ".join(stray))


@lru_cache(maxsize=64)
def _kept_edits(keyed: Keyed, file: str, source: CSource) -> list[Edit]:
    """The edits of a part without a guard, which its guarded form is made of too."""
    return _edits(keyed.parts[0], file, source)


def _edits(part: Variant, file: str, source: CSource) -> list[Edit]:
    from jinja2 import TemplateError

    if file not in part.files:
        return []
    _refuse_patched(part, source)
    _refuse_broken(part, source)
    try:
        text = _template(part.folder.parent, part.template(file)).render(source=Anchors(source))
    except TemplateError as error:
        raise BadVariantError(f"the template of {part.name} for {file} fails", why=str(error)) from error
    edits = read_edits(text, source.lines, part, file)
    _hold_inside(part, edits, source)
    return edits


def _refuse_patched(part: Variant, source: CSource) -> None:
    for name in part.functions:
        for node in source.declarations(name):
            body = source.data[node.start_byte : node.end_byte]
            markers = [marker for marker in part.markers if marker.encode() in body]
            if markers:
                row = node.start_point.row + 1 + body[: body.index(markers[0].encode())].count(b"\n")
                raise AlreadyPatchedError(
                    f"{source.name} is patched already",
                    why=f"{name} holds {', '.join(map(repr, markers))}\nline {row}: {source.text(row)}",
                    advice="start from an unaltered source: patchkit fetch --version V --to DIR",
                )


def _refuse_broken(part: Variant, source: CSource) -> None:
    for name in part.functions:
        for node in source.declarations(name):
            if node.has_error:
                row = node.start_point.row + 1
                raise AnchorError(f"{name} in {source.name} can't be parsed as C", why=f"it begins at line {row}")


def _hold_inside(part: Variant, edits: Sequence[Edit], source: CSource) -> None:
    """Nothing changes outside of the functions and structs that the variant names; new functions stand behind one."""
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


@lru_cache(maxsize=4)
def _environment(folder: Path) -> Environment:
    """Templates see bytes of unknown encoding as text by surrogate escapes, so nothing is lost.

    ``folder`` is where all variants are: one may include another one's templates.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701
    )
    environment.filters |= {
        "added": lambda lines: _signed("+", lines),
        "removed": lambda lines: _signed("-", lines),
        "kept": lambda lines: _signed(" ", lines),
    }
    return environment


@lru_cache(maxsize=64)
def _template(folder: Path, text: str) -> Template:
    return _environment(folder).from_string(text)


def _signed(sign: str, given: Lines | Iterable[bytes]) -> str:
    lines = given.lines if isinstance(given, Lines) else given
    return "".join(sign + line.decode("utf-8", "surrogateescape") for line in lines).removesuffix("\n")

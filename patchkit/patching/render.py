"""From a variant's templates and a source tree to an ordinary unified diff, exact for that tree.

A template yields hunks at lines that its anchors found. They are checked against the source, held inside
the functions that the variant names, given context and headers; the diff is then applied by
:mod:`patchkit.patching.apply`, and both must agree on every byte. With a guard, the source that a
preprocessor sees with the macro unset must be the original to the byte.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Generic, TypeVar

from patchkit.errors import (
    AlreadyPatchedError,
    AnchorError,
    BadSourceError,
    BadVariantError,
    ConflictError,
    PatchMismatchError,
    PinMismatchError,
)
from patchkit.patching import dep3, names, pins, traces
from patchkit.patching.apply import apply
from patchkit.patching.combination import Combination
from patchkit.patching.composed import Composed, ComposedFile, compose, with_files
from patchkit.patching.csource import conditionals
from patchkit.patching.csource.file import MAX_SOURCE, CSource, parse, split_lines
from patchkit.patching.edits import (
    Edit,
    directive_rows,
    file_diff,
    guarded,
    in_order,
    new_file_diff,
    overlapping,
    read_edits,
    resolved,
    seams,
    spliced,
)
from patchkit.patching.templates import yielded_by
from patchkit.patching.variants import DESCRIPTION, Variant
from patchkit.printable import in_one_line
from patchkit.releases.version import Version
from patchkit.source.tree.code_series import series_of_code
from patchkit.source.tree.tree import SYMLINK, SourceTree
from patchkit.source.tree.version_m4 import own_text

_SHOWN = 4  # lines that a message lists
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_Found = TypeVar("_Found")


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
    changes = _changes(combined, tree, guard=guard, check_names=check_names)
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
    changes = _changes(combined, tree, guard=guard, check_names=check_names)
    rendered = []
    for number, part in enumerate(combined.parts):
        steps = [step for step in (change.step(number) for change in changes) if step[2]]
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
        changes = _changes(stage, before, guard=guard, check_names=check_names)
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


@dataclass(frozen=True)
class _Change:
    """What all parts do to one file."""

    path: str
    source: CSource
    mode: int
    by_part: tuple[tuple[Edit, ...], ...]
    plain: tuple[tuple[Edit, ...], ...]
    """The same without a guard."""

    @property
    def edits(self) -> list[Edit]:
        """The edits of all parts, in file order."""
        return in_order([edit for edits in self.by_part for edit in edits])

    @cached_property
    def after(self) -> bytes:
        """The post-image."""
        return b"".join(spliced(self.source.lines, self.edits))

    @cached_property
    def diff(self) -> bytes:
        """The file's part of a unified diff."""
        return file_diff(self.path, self.source.lines, self.edits, self.mode)

    @property
    def changed(self) -> names.Changed:
        """What the change is without a guard, for the check of its names."""
        edits = in_order([edit for part in self.plain for edit in part])
        after = self.source.like(b"".join(spliced(self.source.lines, edits)))
        return names.Changed(self.source, after, edits)

    def step(self, number: int) -> tuple[_Change, list[bytes], list[Edit]]:
        """Return the lines that the parts before part ``number`` leave, and its own edits in them."""
        before = in_order([edit for edits in self.by_part[:number] for edit in edits])
        moved = [
            edit.moved(sum(other.new - other.old for other in before if in_order([other, edit])[0] is other))
            for edit in self.by_part[number]
        ]
        return self, spliced(self.source.lines, before), moved


def _changes(combined: Combination, tree: SourceTree, *, guard: bool, check_names: bool = True) -> list[_Change]:
    """The change of each file; files that stay as they are have none."""
    if guard:
        combined.check_guard()
    traces.refuse_patched(combined, tree)
    try:
        changes = [change for file in combined.files if (change := _change(combined, tree, file, guard=guard)).edits]
    except AnchorError as error:
        error.why = "\n".join([error.why, *_hints(combined, tree, error.missing), *_between_releases(tree)])
        raise
    if not changes:
        raise BadVariantError(f"{combined.name} changes nothing in this release")
    # A pinned tree is upstream's to the byte, and what becomes of it is pinned too: it was compiled.
    pinned = tree.origin.verified and all(pins.is_upstreams(_name(each.path), each.source.data) for each in changes)
    if check_names and not pinned:
        try:
            names.check(combined.name, tree, [change.changed for change in changes], guard=guard)
        except AnchorError as error:
            error.why = "\n".join([error.why, *_between_releases(tree)])
            raise
    return changes


def _between_releases(tree: SourceTree) -> Iterator[str]:
    """Yield that ``tree`` is a state between two releases, where its own version says so."""
    if (own := own_text(tree)).endswith("_git"):
        yield f"the source calls itself {own}: between two releases, code can be like the one here and the other there"


def _hints(combined: Combination, tree: SourceTree, missing: str) -> Iterator[str]:
    """Yield what else is known of an anchor that is not there."""
    if combined.upstream_status(Version.parse(series_of_code(tree))) == "not-applicable":
        yield f"{combined.name} does not apply to releases whose code is like this"
    yield from (f"{missing} is in {path}, where no variant looks for it" for path in _defining(combined, tree, missing))
    for presence in traces.found_in(tree):
        yield (
            f"the source has {presence.name}, at least in part: variants that go together are given together, "
            f"for an unaltered source: --variant {presence.part.name}+{combined.name}"
        )


def _defining(combined: Combination, tree: SourceTree, missing: str) -> Iterator[str]:
    """Yield the files that define the function or struct ``missing``, if ``combined`` changes it."""
    struct = missing.removeprefix("struct ")
    is_struct = struct != missing and struct in combined.structs
    if not is_struct and missing not in combined.functions:
        return
    for path in sorted(path for path in tree.entries if re.fullmatch(r"(src/openvpn/)?[^/]+\.[ch]", path)):
        if (
            tree.entries[path].mode != SYMLINK
            and len(data := tree.read(path)) <= MAX_SOURCE
            and struct.encode() in data
        ):
            source = parse(path, data, 0)
            if source.structs(struct) if is_struct else missing in source.defined:
                yield path


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _place(combined: Combination, tree: SourceTree, file: str) -> str:
    """Find ``file``; where a user's own variant names one that the source does not have, the variant is at fault."""
    try:
        return tree.find_to_change(file)
    except BadSourceError as error:
        own = [part for part in combined.parts if part.is_own and file in part.files]
        if not own or not is_openvpn(tree) or tree.has(file):
            raise
        raise no_such_file(own[0], file, tree.origin.name) from error


def is_openvpn(tree: SourceTree) -> bool:
    """Return whether ``tree`` has the file that every release has, in its folder or an old one's."""
    return tree.has("reliable.c")


def no_such_file(own: Variant, file: str, source: str) -> AnchorError:
    """Make the error for a user's own variant that names a file that ``source`` does not have."""
    return AnchorError(
        f"{own.name} changes {in_one_line(file)[:200]}, and {source} has no such file",
        why=f"`files` in {in_one_line(str(own.folder / DESCRIPTION))} names it",
        advice="check the name: a file of src/openvpn, without its folder; or name releases that have it",
    )


def _change(combined: Combination, tree: SourceTree, file: str, *, guard: bool) -> _Change:
    """The change of one file, the same whichever branches of its ``#if`` groups the compiler sees."""
    path = _place(combined, tree, file)
    mode = tree.entries[path].mode
    data = tree.read(path)
    source = parse(path, data)
    if len(data) > MAX_SOURCE:
        return _change_in(combined, source, file, mode, guard=guard)
    if pins.is_upstreams(file, data):
        stated = [pins.pinned(part, path, data, guard=guard) for part in combined.parts]
        form = f"{file}\0{mode:o}\0{'guarded' if guard else 'plain'}\0{stated}"
        return _once_a_file(
            _Once(combined, source, form, lambda: _change_of_pinned(combined, source, file, mode, guard=guard))
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


def _change_of_pinned(combined: Combination, source: CSource, file: str, mode: int, *, guard: bool) -> _Change:
    """The change of a file of upstream's: one view is enough, for that all give the same was seen for the pin."""

    def seen() -> _Change:
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


def _change_in_views(combined: Combination, source: CSource, file: str, mode: int, *, guard: bool) -> _Change:
    """The change of a file that can't be read as a whole: the same in every view of it, or none."""
    text = conditionals.read(source.data)
    if text.number > conditionals.MAX_VIEWS:
        raise AnchorError(f"{source.name} has an #if with {text.number} branches that can't be read together")
    changes: list[_Change] = []
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


def _change_in(combined: Combination, source: CSource, file: str, mode: int, *, guard: bool) -> _Change:
    """The change of one file; a part is checked against its pins alone, also when there are other parts."""
    path = source.name
    plain = tuple(_edits_of(part, file, source) for part in combined.parts)
    if guard:
        _check_seams(combined, source, [edit for edits in plain for edit in edits])
    by_part = tuple(tuple(map(guarded, edits)) for edits in plain) if guard else plain
    change = _Change(path, source, mode, by_part, plain)
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
    unguarded = _Change(path, source, mode, plain, plain) if guard else change
    if guard:
        _check_guard(combined, change, unguarded)
    if unguarded.edits and not _is_pinned(combined, unguarded):
        _once(_Once(combined, source, unguarded.after, lambda: _check_after(combined, unguarded)))
    return change


def _is_pinned(combined: Combination, unguarded: _Change) -> bool:
    """Whether a pin of the catalogue's states this very post-image: it was checked when the pin was made."""
    part, path, before = combined.parts[0], unguarded.path, unguarded.source.data
    if len(combined.parts) > 1 or part.is_own:
        return False
    return pins.pinned(part, path, before, guard=False) == hashlib.sha256(unguarded.after).hexdigest()


@dataclass(frozen=True)
class _Once(Generic[_Found]):
    """What depends on few things, and is found out once for them: a file's change is that of every release with it.

    Equal are the very same objects, and the same texts.
    """

    who: object
    source: CSource
    text: str | bytes
    run: Callable[[], _Found]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Once)
            and self.who is other.who
            and self.source is other.source
            and self.text == other.text
        )

    def __hash__(self) -> int:
        return hash((id(self.who), id(self.source), self.text))


@lru_cache(maxsize=256)
def _once(asked: _Once[tuple[Edit, ...] | None]) -> tuple[Edit, ...] | None:
    return asked.run()


@lru_cache(maxsize=160)  # two releases, with all of the catalogue's variants in both forms
def _once_a_file(asked: _Once[_Change]) -> _Change:
    return asked.run()


def _edits_of(part: Variant, file: str, source: CSource) -> tuple[Edit, ...]:
    if file not in part.files:
        return ()
    known_by = f"{file}\0{part.template(file)}"
    return _once(_Once(part, source, known_by, lambda: tuple(_edits(part, file, source)))) or ()


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
    rows = directive_rows(after)
    off, on = (resolved(after, on=on, rows=rows) for on in (False, True))
    if off != change.source.lines or b"".join(on) != unguarded.after:
        raise BadVariantError(
            f"{combined.name} can't be guarded in {change.path}",
            why="with the guard off, the preprocessor would not see the original source",
        )


def _check_after(combined: Combination, unguarded: _Change) -> None:
    """The post-image without a guard: what changes can be parsed, and no other function comes or goes."""
    before, after = unguarded.source, unguarded.source.like(unguarded.after)
    broken = [name for name in combined.touched if any(node.has_error for node in after.declarations(name))]
    broken += [f"struct {name}" for name in combined.structs if any(node.has_error for node in after.structs(name))]
    if broken:
        raise BadVariantError(f"{combined.name} would leave {broken[0]} in {unguarded.path} with a syntax error")
    new = after.defined - before.defined
    stray = sorted(new.difference(combined.added))
    if stray or not before.defined <= after.defined:
        raise BadVariantError(f"{combined.name} would leave other functions in {unguarded.path}", why=", ".join(stray))


def _edits(part: Variant, file: str, source: CSource) -> list[Edit]:
    _refuse_patched(part, source)
    _refuse_broken(part, source)
    _refuse_doubled(part, file, source)
    edits = read_edits(yielded_by(part, file, source), source.lines, part, file)
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
            source.parsed(node, name)


def _refuse_doubled(part: Variant, file: str, source: CSource) -> None:
    """A function of which there are two, by a condition, would change in one of them, and it is not known which counts.

    Upstream's files were looked at when their pins were made.
    """
    if pins.is_upstreams(file, source.data):
        return
    for name in part.functions:
        defined = [node for node in source.declarations(name) if node.type == "function_definition"]
        if len(defined) > 1:
            rows = [node.start_point.row + 1 for node in defined]
            raise source.refusal(f"the function {name}", name, rows)


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

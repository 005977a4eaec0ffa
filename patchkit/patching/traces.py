"""Which variants, or parts of them, a source tree has already.

What a variant does is looked for in all files that any variant touches, not only where its own edits would go, and
for every variant of the catalogue: a tree with one of them is not upstream's code any more.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patchkit.errors import AlreadyPatchedError
from patchkit.patching import pins
from patchkit.patching.combination import Combination
from patchkit.patching.csource import syntax
from patchkit.patching.csource.file import MAX_SOURCE, parse
from patchkit.patching.variants import GUARD_MACRO, Variant, names, variant
from patchkit.source.tree.tree import SYMLINK, SourceTree

if TYPE_CHECKING:
    from tree_sitter import Node

_SHOWN = 4  # places that a message lists


@dataclass(frozen=True)
class Trace:
    """One place that shows a variant."""

    path: str
    row: int
    """The line, from 1."""
    text: str
    """What patch.toml calls it."""
    line: str


@dataclass(frozen=True)
class Found:
    """A variant that the tree has, whole or in part, and the places that show it."""

    part: Variant
    also: tuple[str, ...]
    """Other variants that the same places would show."""
    traces: tuple[Trace, ...]
    is_whole: bool
    """Whether each file that the variant changes in this release shows it."""

    @property
    def name(self) -> str:
        """The names for a message: of the variant, and of those that could be meant as well."""
        return " or ".join((self.part.name, *self.also))


def refuse_patched(combined: Combination, tree: SourceTree) -> None:
    """Raise AlreadyPatchedError where ``tree`` has one of the parts already, or a variant that excludes one."""
    allowed = {part.name for part in combined.parts}
    for presence in found_in(tree):
        is_asked_for = presence.part.name in allowed or bool(allowed & set(presence.also))
        excludes = allowed & set(presence.part.conflicts) or any(
            presence.part.name in part.conflicts for part in combined.parts
        )
        if is_asked_for or excludes:
            raise _refusal(combined, presence, tree)


def _refusal(combined: Combination, presence: Found, tree: SourceTree) -> AlreadyPatchedError:
    guard = any(
        re.search(rb"^[ \t]*#[ \t]*ifn?def[ \t]+%b\b" % GUARD_MACRO.encode(), tree.read(path), re.MULTILINE)
        for path in {trace.path for trace in presence.traces}
    )
    form = f"{presence.part.name}{' --guard' if guard else ''}"
    rows = [f"{trace.path}, line {trace.row}: {trace.line}" for trace in presence.traces[:_SHOWN]]
    more = len(presence.traces) - len(rows)
    same = presence.part.name in {part.name for part in combined.parts} or presence.also
    return AlreadyPatchedError(
        f"the source is patched already: it has {'' if presence.is_whole else 'a part of '}{presence.name}",
        why="\n".join(
            [
                *rows,
                *([f"and {more} more places"] if more else []),
                *([] if presence.is_whole else ["or the tree has code of its own by these names"]),
                *([] if same else [f"{combined.name} and {presence.part.name} exclude each other"]),
            ]
        ),
        # patch -R would take out a part of a part.
        advice=(
            (
                f"take it out, with the patchkit that put it in: patchkit render --version V --variant {form}"
                " | patch -R -p1; or "
                if presence.is_whole
                else ""
            )
            + "start from an unaltered source: patchkit fetch --version V --to DIR"
        ),
    )


def found_in(tree: SourceTree) -> list[Found]:
    """List the variants that ``tree`` shows traces of, each with the places that no variant before it explains."""
    catalogue = [part for part in map(variant, names()) if not part.is_stock]
    places = _places(tree, catalogue)
    found: list[Found] = []
    left = set(places)
    while left:
        shown = {part.name: {key for key in _keys(part) if key in left} for part in catalogue}
        most = max(map(len, shown.values()), default=0)
        if not most:
            break
        alike = [part for part in catalogue if len(shown[part.name]) == most]
        best = min(alike, key=lambda part: (len(_keys(part)) - most, part.name))
        also = tuple(part.name for part in alike if part is not best and shown[part.name] == shown[best.name])
        traces = sorted((places[key] for key in shown[best.name]), key=lambda trace: (trace.path, trace.row))
        shows = {trace.path.rpartition("/")[2] for trace in traces}
        is_whole = all(file in shows or _is_left(best, file, tree) for file in best.files)
        found.append(Found(best, also, tuple(traces), is_whole))
        left -= shown[best.name]
    return found


def _is_left(part: Variant, file: str, tree: SourceTree) -> bool:
    """Whether ``part`` has no pin for ``file`` as it is here: of that release it changes other files."""
    path = next((path for path in (f"src/openvpn/{file}", file) if path in tree.entries), None)
    if path is None or tree.entries[path].mode == SYMLINK:
        return False
    return pins.pinned(part, path, tree.read(path), guard=False) is None


_Key = tuple[str, str]  # a file's name, and a trace in it


def _keys(part: Variant) -> list[_Key]:
    """The traces of a variant: those of its patch.toml, and the functions that it adds, where they may be seen."""
    named = [(file, text) for file, texts in part.traces.items() for text in texts]
    return named + [("*", name) for name in part.added]


def _places(tree: SourceTree, catalogue: Sequence[Variant]) -> Mapping[_Key, Trace]:
    """The first place of each trace of any variant in ``tree``."""
    altered: list[tuple[str, str, bytes]] = []
    for file in sorted({file for part in catalogue for file in part.files}):
        path = next((path for path in (f"src/openvpn/{file}", file) if path in tree.entries), None)
        if path is None or tree.entries[path].mode == SYMLINK:
            continue
        data = tree.read(path)
        if len(data) <= MAX_SOURCE and not pins.is_upstreams(file, data):
            altered.append((file, path, data))
    if not altered:
        return {}
    wanted: dict[str, list[str]] = defaultdict(list)
    for part in catalogue:
        for file, text in _keys(part):
            if text not in wanted[file]:
                wanted[file].append(text)
    places: dict[_Key, Trace] = {}
    for file, path, data in altered:
        for key in [(file, text) for text in wanted[file]] + [("*", text) for text in wanted["*"]]:
            if key not in places and (row := _row_of(key[1], path, data)):
                places[key] = Trace(path, row, key[1], parse(path, data).text(row))
    return places


def _row_of(trace: str, path: str, data: bytes) -> int | None:
    """The line, from 1, of a trace: a text with blanks in it, ``struct.member``, a call ``name()``, or a name."""
    word = re.split(r"[.(]", trace)[-1 if "." in trace else 0].encode()
    if word not in data:
        return None
    if " " in trace:
        return data.count(b"\n", 0, data.index(word)) + 1
    source = parse(path, data, 0)
    seen = source.seen
    if "." in trace:
        struct = trace.partition(".")[0]
        members = syntax.identifiers(source.root, seen, word.decode(), kind="field_identifier")
        inside = [node for node in members if _struct_of(node) == struct]
        return inside[0].start_point.row + 1 if inside else None
    for node in syntax.identifiers(source.root, seen, word.decode()):
        is_call = node.parent is not None and node.parent.type == "call_expression"
        if not trace.endswith("()") or (is_call and syntax.declared_by(node) is None and not syntax.is_stray(node)):
            return int(node.start_point.row) + 1
    return None


def _struct_of(member: Node) -> str | None:
    """The struct in whose definition ``member`` is declared."""
    for above in syntax.ancestors(member):
        if above.type == "field_expression":
            return None
        if above.type == "struct_specifier":
            name = above.child_by_field_name("name")
            return syntax.text(name).decode("latin-1") if name is not None else None
    return None

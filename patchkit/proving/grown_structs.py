"""Structs that grow: what a patch adds to declarations, separated from what it changes in code.

A struct with more members gives other offsets and sizes to every function that knows it. So the patch is compared
with stock whose structs have the new members, and nothing else of the patch: what differs then is not layout.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from patchkit.patching.combination import Combination
from patchkit.patching.csource.file import CSource, parse
from patchkit.patching.edits import Edit, file_diff, spliced
from patchkit.patching.render import Rendered
from patchkit.proving.line_directives import neutral, patch_set
from patchkit.source.tree.tree import SourceTree

if TYPE_CHECKING:
    from tree_sitter import Node
    from unidiff.patch import PatchedFile


@dataclass(frozen=True)
class Grown:
    """The changes that a patch makes to declarations."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    """Stock with the new members of structs and, in headers, the prototypes of new functions; old lines keep their
    old numbers. Only files that this changes."""
    structs: Sequence[str] = ()
    """The structs that have new members here."""
    unexplained: Sequence[str] = ()
    """Lines of headers that change and are in no struct or function that the variant names."""


def grown(rendered: Rendered, tree: SourceTree, combined: Combination) -> Grown:
    """Separate what ``rendered``, a patch of ``tree`` without a guard, changes in declarations."""
    parts = [_File.of(rendered, tree, combined, file) for file in patch_set(rendered)]
    edited = [part for part in parts if part.edits]
    files = {part.path: b"".join(spliced(part.before.lines, part.edits)) for part in edited}
    diff = b"".join(file_diff(part.path, part.before.lines, part.edits, 0o644) for part in edited)
    structs = {name for part in parts for name in part.members}
    return Grown(
        files=neutral(Rendered(rendered.variant, guard=False, diff=diff, files=files)) if files else {},
        structs=[name for name in combined.structs if name in structs],
        unexplained=[line for part in parts for line in part.unexplained],
    )


def is_only_grown(before: bytes, after: bytes, structs: Collection[str], added: Collection[str]) -> bool:
    """Return whether the preprocessed texts ``before`` and ``after`` differ only in new members of ``structs``, behind
    the old ones, and in prototypes of the functions ``added``. Macros and directives have had their effect by then.
    """
    first, second = (_Text.of(text, structs, added) for text in (before, after))
    pairs = list(zip(first.bodies, second.bodies, strict=False))
    return (
        first.outside == second.outside
        and len(first.bodies) == len(second.bodies)
        and all(new.rstrip().startswith(old.rstrip()) for old, new in pairs)
    )


@dataclass(frozen=True)
class _File:
    """One file of a patch."""

    path: str
    before: CSource
    members: Mapping[str, Collection[int]]
    """The rows after the patch that are new members, by struct."""
    edits: Sequence[Edit]
    """The edits of declarations."""
    unexplained: Sequence[str]

    @classmethod
    def of(cls, rendered: Rendered, tree: SourceTree, combined: Combination, file: PatchedFile) -> _File:
        before = parse(file.path, tree.read(file.path))
        after = parse(file.path, rendered.files[file.path])
        gone, new = _changed_rows(file)
        members = {name: rows for name in combined.structs if (rows := _members(name, before, after, new.keys()))}
        header = not file.path.endswith(".c")
        kept = set().union(*members.values(), _prototypes(combined.added, after, new.keys()) if header else ())
        return cls(
            path=file.path,
            before=before,
            members=members,
            edits=[Edit(new[row], ((b"+", after.lines[row]),)) for row in sorted(kept)],
            unexplained=[
                *_unexplained(before, gone, combined.touched),
                *_unexplained(after, new.keys() - kept, combined.touched),
            ]
            if header
            else [],
        )


def _changed_rows(file: PatchedFile) -> tuple[list[int], dict[int, int]]:
    """The rows that go, and those that come, each with the row before the patch that it is put in before."""
    gone, new = [], {}
    for hunk in file:
        row = hunk.source_start - 1
        for line in hunk:
            if line.is_added:
                new[(line.target_line_no or 0) - 1] = row
            elif line.is_removed or line.is_context:
                gone += [row] if line.is_removed else []
                row += 1
    return gone, new


def _rows(node: Node) -> range:
    return range(node.start_point.row, node.end_point.row + 1)


def _members(name: str, before: CSource, after: CSource, new: Collection[int]) -> set[int]:
    """The new rows that are members of a struct, all behind those that it had; none where they are anything else."""
    known, nodes = before.structs(name), after.structs(name)
    body = nodes[0].child_by_field_name("body") if nodes else None
    if len(known) != 1 or len(nodes) != 1 or body is None or nodes[0].has_error:
        return set()
    first, *inside, last = body.children
    if {first.start_point.row, last.start_point.row} & set(new):
        return set()
    rows: set[int] = set()
    for part in inside:
        here = set(_rows(part))
        if here.isdisjoint(new):
            if rows and part.type != "comment":
                return set()
        elif part.type == "field_declaration":
            rows |= here
        elif part.type != "comment":
            return set()
    return rows if rows <= set(new) else set()


def _prototypes(added: Iterable[str], after: CSource, new: Collection[int]) -> set[int]:
    """The new rows that declare new functions."""
    nodes = [node for name in added for node in after.declarations(name)]
    prototypes = [set(_rows(node)) for node in nodes if node.type == "declaration" and not node.has_error]
    return {row for rows in prototypes if rows <= set(new) for row in rows}


def _unexplained(source: CSource, rows: Iterable[int], touched: Iterable[str]) -> list[str]:
    explained = {row for name in touched for node in source.declarations(name) for row in _rows(node)}
    return [
        f"{source.name}, line {row + 1}: {source.text(row + 1)}"
        for row in sorted(rows)
        if row in source.code_rows and row not in explained
    ]


@dataclass(frozen=True)
class _Text:
    """Preprocessed text, taken apart."""

    outside: bytes
    bodies: Sequence[bytes]
    """The bodies of structs; one with a pragma inside stays in ``outside``, since a pragma may reach beyond it."""

    @classmethod
    def of(cls, text: bytes, structs: Collection[str], added: Collection[str]) -> _Text:
        outside, bodies, at = b"", [], 0
        if structs:
            names = b"|".join(map(re.escape, map(str.encode, structs)))
            heads = re.compile(rb"%b\s+(?:%b)\s*\{" % (_word(b"struct"), names))
            while head := heads.search(text, at):
                end = _closing(text, head.end())
                body = text[head.end() : end]
                outside += text[at : head.end()] + (body if b"#" in body else b"")
                bodies += [] if b"#" in body else [body]
                at = end
        outside += text[at:]
        return cls(_without_prototypes(outside, added), bodies)


def _word(name: bytes) -> bytes:
    """A regular expression for ``name``, and not for the end of a longer one.

    It begins with the name, which re then looks for as fast as for any bytes; by ``\\b`` it tries every byte.
    """
    return rb"%b(?<!\w%b)" % (name, name)


def _closing(text: bytes, at: int) -> int:
    """Where the brace stands that closes the one before ``at``; the end of the text where none does."""
    depth = 1
    for brace in re.compile(rb"[{}]").finditer(text, at):
        depth += 1 if brace[0] == b"{" else -1
        if depth == 0:
            return brace.start()
    return len(text)


def _without_prototypes(text: bytes, names: Iterable[str]) -> bytes:
    end = re.compile(rb"[;{}#]")
    for name in names:
        if name.encode() not in text:
            continue
        call = re.compile(rb"%b\s*\(" % _word(name.encode()))
        at = 0
        while head := call.search(text, at):
            behind = end.search(text, head.end())
            if behind is None or behind[0] != b";":
                at = head.end()
                continue
            begin = max(text.rfind(mark, 0, head.start()) for mark in (b";", b"{", b"}", b"#")) + 1
            if text[begin - 1 : begin] == b"#":
                begin = text.find(b"\n", begin, head.start())
            if begin == -1:  # it is in the directive itself
                at = head.end()
                continue
            text = text[:begin] + text[behind.end() :]
            at = begin
    return text

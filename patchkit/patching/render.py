"""From a variant's templates and a source tree to an ordinary unified diff, exact for that tree.

A template yields hunk bodies at lines that its anchors found; this module checks them against the
source, adds three lines of context, numbers the hunks, and writes the headers. The result is then
applied by :mod:`patchkit.patching.apply`, and both must agree on every byte.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from patchkit import __version__
from patchkit.errors import AlreadyPatchedError, BadVariantError, PatchMismatchError
from patchkit.patching import anchors
from patchkit.patching.apply import apply
from patchkit.patching.variants import GUARD_MACRO, Variant
from patchkit.source.tree import SourceTree, blob_id

if TYPE_CHECKING:
    from jinja2 import Environment

CONTEXT = 3
"""Lines of context, diff's and git's default."""


@dataclass(frozen=True)
class Rendered:
    """A diff and what it makes of the files it touches."""

    variant: str
    guard: bool
    diff: bytes
    """DEP-3 header and unified diff; empty for stock."""
    files: Mapping[str, bytes]
    """The post-images, by path."""

    @property
    def sha256(self) -> str:
        """Of the diff, in hex."""
        return hashlib.sha256(self.diff).hexdigest()


@dataclass(frozen=True)
class _Edit:
    """One change: the source lines from ``start`` (0-based), ``old`` of them, become ``body``'s new side."""

    start: int
    body: tuple[tuple[bytes, bytes], ...]
    """Pairs of a sign (blank, minus, plus) and a line with its end."""

    @property
    def old(self) -> int:
        return sum(sign != b"+" for sign, _ in self.body)

    @property
    def end(self) -> int:
        return self.start + self.old


def render(variant: Variant, tree: SourceTree, label: str, *, guard: bool = False) -> Rendered:
    """The variant's diff for this very tree. ``label`` names the release in the diff's header.

    Raises AnchorError (an anchor is missing or doubled), AlreadyPatchedError, BadVariantError, and
    PatchMismatchError should the finished diff not apply exactly.
    """
    if variant.is_stock:
        return Rendered(variant.name, guard=False, diff=b"", files={})
    if guard and not variant.guard:
        raise BadVariantError(
            f"the variant {variant.name} has no guarded form", advice=f"leave --guard out for {variant.name}"
        )
    parts = []
    expected = {}
    for file in variant.files:
        path = tree.find(file)
        source = anchors.parse(path, tree.read(path))
        _refuse_patched(variant, source)
        edits = _edits(variant, file, source, guard=guard)
        expected[path] = _spliced(source.lines, edits)
        parts.append(_file_diff(path, source, edits, expected[path], tree.entries[path].mode))
    diff = _header(variant, label, guard=guard) + b"".join(parts)
    applied = apply(diff, tree)
    if dict(applied) != expected:
        raise PatchMismatchError(
            f"the diff of {variant.name} does not give what was rendered",
            why="a fault in patchkit; please report it",
        )
    return Rendered(variant.name, guard, diff, applied)


def _refuse_patched(variant: Variant, source: anchors.CSource) -> None:
    for name in variant.functions:
        if name.encode() not in source.data:
            continue
        function = source.function(name)
        found = [marker for marker in variant.markers if marker.encode() in function.body]
        if found:
            row = next(
                row for row, line in enumerate(source.lines, 1)
                if found[0].encode() in line and row > function.node.start_point.row
            )  # fmt: skip
            raise AlreadyPatchedError(
                f"{source.name} is patched already",
                why=f"{name} holds {', '.join(map(repr, found))}\nline {row}: {source.text(row)}",
                advice="start from an unaltered source: patchkit fetch --version V --to DIR",
            )


def _edits(variant: Variant, file: str, source: anchors.CSource, *, guard: bool) -> list[_Edit]:
    from jinja2 import TemplateError

    try:
        template = _environment().from_string(variant.template(file))
        text = template.render(source=source, guard=GUARD_MACRO if guard else "")
    except TemplateError as error:
        raise BadVariantError(f"the template of {variant.name} for {file} fails", why=str(error)) from error
    newline = b"\r\n" if source.lines and source.lines[0].endswith(b"\r\n") else b"\n"
    edits = [_edit(hunk, newline) for hunk in _hunks(text, variant, file)]
    edits.sort(key=lambda edit: edit.start)
    for edit in edits:
        old = [line for sign, line in edit.body if sign != b"+"]
        if list(source.lines[edit.start : edit.end]) != old:
            raise BadVariantError(f"the template of {variant.name} for {file} misquotes line {edit.start + 1}")
    if any(first.end > second.start for first, second in pairwise(edits)):
        raise BadVariantError(f"two hunks of {variant.name} for {file} overlap")
    return edits


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Templates see bytes of unknown encoding as text by surrogate escapes, so nothing is lost."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
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


def _signed(sign: str, lines: anchors.Statement | Iterable[bytes]) -> str:
    given = lines.lines if isinstance(lines, anchors.Statement) else lines
    return "".join(sign + line.decode("utf-8", "surrogateescape") for line in given).removesuffix("\n")


def _hunks(text: str, variant: Variant, file: str) -> list[tuple[int, list[str]]]:
    hunks: list[tuple[int, list[str]]] = []
    for line in text.split("\n"):
        head = re.fullmatch(r"@@ (\d+) @@", line)
        if head:
            hunks.append((int(head[1]), []))
        elif hunks and line[:1] in ("+", "-", " "):
            hunks[-1][1].append(line)
        elif line:
            raise BadVariantError(f"the template of {variant.name} for {file} yields a line that is no diff", why=line)
    if not hunks:
        raise BadVariantError(f"the template of {variant.name} for {file} yields no hunk")
    return hunks


def _edit(hunk: tuple[int, list[str]], newline: bytes) -> _Edit:
    line, body = hunk
    pairs = []
    for text in body:
        raw = text[1:].encode("utf-8", "surrogateescape")
        # Lines taken from the source keep their own end; lines that the template wrote get the file's.
        end = b"\n" if raw.endswith(b"\r") or text[0] != "+" else newline
        pairs.append((text[0].encode(), raw + end))
    return _Edit(line - 1, tuple(pairs))


def _spliced(lines: list[bytes], edits: list[_Edit]) -> bytes:
    out: list[bytes] = []
    at = 0
    for edit in edits:
        out += lines[at : edit.start]
        out += [line for sign, line in edit.body if sign != b"-"]
        at = edit.end
    return b"".join(out + lines[at:])


def _file_diff(path: str, source: anchors.CSource, edits: list[_Edit], after: bytes, mode: int) -> bytes:
    name = path.encode()
    head = (
        b"diff --git a/%b b/%b\n" % (name, name)
        + f"index {blob_id(source.data)}..{blob_id(after)} 100{mode:o}\n".encode()
        + b"--- a/%b\n+++ b/%b\n" % (name, name)
    )
    groups: list[list[_Edit]] = []
    for edit in edits:
        # Like diff, join changes whose contexts touch.
        if groups and edit.start - groups[-1][-1].end <= 2 * CONTEXT:
            groups[-1].append(edit)
        else:
            groups.append([edit])
    out, drift = [head], 0
    for group in groups:
        body, old, new, start = _grouped(source.lines, group)
        out.append(b"@@ -%d,%d +%d,%d @@\n" % (start + 1, old, start + 1 + drift, new) + body)
        drift += new - old
    return b"".join(out)


def _grouped(lines: list[bytes], group: list[_Edit]) -> tuple[bytes, int, int, int]:
    start = max(0, group[0].start - CONTEXT)
    end = min(len(lines), group[-1].end + CONTEXT)
    pairs: list[tuple[bytes, bytes]] = []
    at = start
    for edit in group:
        pairs += [(b" ", line) for line in lines[at : edit.start]]
        pairs += edit.body
        at = edit.end
    pairs += [(b" ", line) for line in lines[at:end]]
    body = b"".join(
        sign + line + (b"" if line.endswith(b"\n") else b"\n\\ No newline at end of file\n") for sign, line in pairs
    )
    old = sum(sign != b"+" for sign, _ in pairs)
    new = sum(sign != b"-" for sign, _ in pairs)
    return body, old, new, start


def _header(variant: Variant, label: str, *, guard: bool) -> bytes:
    """The patch header of https://dep-team.pages.debian.net/deps/dep3/."""
    body = "\n".join(f" {line}" if line else " ." for line in variant.description.strip().splitlines())
    guarded = f"yes, build with -D{GUARD_MACRO}" if guard else "no"
    return (
        f"Description: {variant.title}\n{body}\n"
        f"Author: {variant.author}\n"
        f"Origin: {variant.origin}\n"
        f"Forwarded: no\n"
        f"Last-Update: {variant.last_update.isoformat()}\n"
        f"X-Patchkit: {__version__}, variant {variant.name}, for OpenVPN {label}\n"
        f"X-Patchkit-Guard: {guarded}\n"
        "---\n"
    ).encode()

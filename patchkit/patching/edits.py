"""Edits: a template's hunks, checked against the source; put in place, or written as a unified diff.

An edit replaces whole lines. This module only counts lines; what the lines mean is known to the anchors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise

from patchkit.errors import AnchorError, BadVariantError
from patchkit.patching.unified import Pair
from patchkit.patching.variants import GUARD_MACRO, Variant
from patchkit.printable import in_one_line
from patchkit.source.tree.tree import blob_id

CONTEXT = 3
"""Lines of context, diff's and git's default."""
_SHOWN = 100  # characters of a line that a message quotes
_ADVICE = "patchkit variants new NAME lays out a template that works; docs/variants.md explains the form"


@dataclass(frozen=True)
class Edit:
    """One change: the lines from ``start`` (0-based), ``old`` of them, become the body's new side."""

    start: int
    body: tuple[Pair, ...]

    @cached_property
    def old(self) -> int:
        """The number of lines of the old side."""
        return sum(sign != b"+" for sign, _ in self.body)

    @cached_property
    def new(self) -> int:
        """The number of lines of the new side."""
        return sum(sign != b"-" for sign, _ in self.body)

    @property
    def end(self) -> int:
        """The line, from 0, behind the last one of the old side."""
        return self.start + self.old

    def moved(self, lines: int) -> Edit:
        """Move the edit ``lines`` lines down."""
        return replace(self, start=self.start + lines)


def read_edits(text: str, lines: Sequence[bytes], variant: Variant, file: str) -> list[Edit]:
    """Read the edits that ``text``, a rendered template, lists for the file with these ``lines``; in file order.

    Raises BadVariantError when the text has no hunk, misquotes the source, or has hunks that overlap; AnchorError when
    the change is to a last line that has no newline.
    """
    edits = sorted((_edit(*hunk, lines) for hunk in _hunks(text, variant, file)), key=_order)
    for edit in edits:
        old = [line for sign, line in edit.body if sign != b"+"]
        if edit.end == len(lines) and not lines[-1].endswith(b"\n"):
            raise AnchorError(
                f"the file {file} ends in the very line that changes, without a newline",
                why=f"the change is to {', '.join(variant.functions)}",
                advice="end the file in a newline",
            )
        if list(lines[edit.start : edit.end]) != old:
            raise BadVariantError(
                f"the template of {variant.name} for {file} misquotes line {edit.start + 1}",
                why=_misquoted(old, lines, edit.start),
                advice=_ADVICE,
            )
    if overlapping(edits):
        raise BadVariantError(f"two hunks of {variant.name} for {file} overlap", advice=_ADVICE)
    return _joined(edits)


NONE = "@@ none @@"
"""The whole output of a template for a file that needs no change, because upstream has made it already."""


def _joined(edits: Sequence[Edit]) -> list[Edit]:
    """Edits that touch become one, so that one guard holds them; old lines first, as in any diff."""
    joined: list[Edit] = []
    for edit in edits:
        start, body = edit.start, edit.body
        if joined and joined[-1].end == start:
            last = joined.pop()
            start, body = last.start, last.body + body
        runs = (list(run) for _, run in groupby(body, lambda pair: pair[0] == b" "))
        tidy = tuple(pair for run in runs for pair in sorted(run, key=lambda pair: pair[0] == b"+"))
        joined.append(Edit(start, tidy))
    return joined


def _hunks(text: str, variant: Variant, file: str) -> list[tuple[int, list[str]]]:
    hunks: list[tuple[int, list[str]]] = []
    if text.strip() == NONE:
        return hunks
    for row, line in enumerate(text.split("\n"), 1):
        head = re.fullmatch(r"@@ (\d+) @@", line)
        if head:
            hunks.append((int(head[1]), []))
        elif hunks and line[:1] in ("+", "-", " "):
            hunks[-1][1].append(line)
        elif line:
            raise BadVariantError(
                f"the template of {variant.name} for {file} yields a line that is not part of a diff",
                why=f"{file}.diff.j2, line {row} of what it yields: {_bounded(line)}",
                advice=_ADVICE,
            )
    if not hunks:
        raise BadVariantError(f"the template of {variant.name} for {file} yields no hunk", advice=_ADVICE)
    return hunks


def _misquoted(old: Sequence[bytes], lines: Sequence[bytes], start: int) -> str:
    """The first line that the source does not have as it is quoted."""
    for row, line in enumerate(old, start):
        there = lines[row] if row < len(lines) else None
        if line != there:
            is_there = "the source ends before it" if there is None else f"the source has {_bounded(_text(there))}"
            return f"line {row + 1}, quoted as {_bounded(_text(line))}: {is_there}"
    return f"the source has {len(lines)} lines"


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")


def _bounded(text: str) -> str:
    return in_one_line(text[:_SHOWN]) + ("…" if len(text) > _SHOWN else "")


def _edit(line: int, body: list[str], lines: Sequence[bytes]) -> Edit:
    newline = b"\r\n" if b"".join(lines[line - 1 : line]).endswith(b"\r\n") else b"\n"
    pairs = []
    for text in body:
        raw = text[1:].encode("utf-8", "surrogateescape")
        # Lines taken from the source keep their own end; lines that the template wrote get those of the place.
        end = b"\n" if raw.endswith(b"\r") or text[0] != "+" else newline
        pairs.append((text[0].encode(), raw + end))
    return Edit(line - 1, tuple(pairs))


def _order(edit: Edit) -> tuple[int, int]:
    """By place; what is put in before a line comes before what replaces it."""
    return edit.start, edit.end


def overlapping(edits: Sequence[Edit]) -> tuple[Edit, Edit] | None:
    """Find the first two of ``edits``, which are in file order, that change the same line; None when there are none."""
    return next(((first, second) for first, second in pairwise(edits) if first.end > second.start), None)


def in_order(edits: Sequence[Edit]) -> list[Edit]:
    """Sort ``edits`` by their place in the file; insertions at the same place keep their order."""
    return sorted(edits, key=_order)


def seams(edit: Edit) -> Iterator[int]:
    """Yield the lines, from 0, before which the guard's directives for ``edit`` would stand."""
    row = edit.start
    for kept, run in groupby(edit.body, lambda pair: pair[0] == b" "):
        old = sum(sign != b"+" for sign, _ in run)
        if not kept:
            yield from (row, row + old)
        row += old


def guarded(edit: Edit) -> Edit:
    """Put ``edit`` between ``#ifdef RETRY``, ``#else`` and ``#endif``: the old lines go with the macro unset.

    Raises AnchorError when an old line has no newline.
    """
    body: list[Pair] = []
    for kept, pairs in groupby(edit.body, lambda pair: pair[0] == b" "):
        run = list(pairs)
        body += run if kept else _guarded_run(run)
    return Edit(edit.start, tuple(body))


def _guarded_run(run: list[Pair]) -> Iterator[Pair]:
    old = [line for sign, line in run if sign == b"-"]
    new = [line for sign, line in run if sign == b"+"]
    if not all(line.endswith(b"\n") for line in old):
        raise AnchorError(
            "the file ends in the very line that changes, without a newline: no guard can stand around it",
            why=repr(old[-1]),
        )
    newline = b"\r\n" if (new or old)[0].endswith(b"\r\n") else b"\n"
    macro = GUARD_MACRO.encode()
    yield b"+", b"#ifdef %b%b" % (macro, newline) if new else b"#ifndef %b%b" % (macro, newline)
    yield from ((b"+", line) for line in new)
    if new and old:
        yield b"+", b"#else" + newline
    yield from ((b" ", line) for line in old)
    yield b"+", b"#endif" + newline


def resolved(lines: Sequence[bytes], *, on: bool, rows: Sequence[int] | None = None) -> list[bytes]:
    """Reduce guarded ``lines`` to what a preprocessor leaves, with the macro set (``on``) or not.

    Other directives stay. ``rows`` are those of :func:`directive_rows`, where they are known.
    """
    starts = {b"#ifdef " + GUARD_MACRO.encode(): on, b"#ifndef " + GUARD_MACRO.encode(): not on}
    out: list[bytes] = []
    keep: bool | None = None  # None outside of a guard
    depth = 0
    at = 0
    for row in directive_rows(lines) if rows is None else rows:
        word = lines[row].rstrip(b"\r\n")
        now = keep
        is_ours = False  # a directive of the guard itself
        if keep is None:
            now = starts.get(word)
            is_ours = now is not None
        elif word.startswith(b"#if"):
            depth += 1
        elif depth:
            depth -= word.startswith(b"#endif")
        elif word == b"#else":
            now, is_ours = not keep, True
        elif word == b"#endif":
            now, is_ours = None, True
        if is_ours:
            # Lines between two directives of the guard's own are kept, or left out, together.
            out += lines[at:row] if keep is not False else ()
            keep, at = now, row + 1
    return out + list(lines[at:] if keep is not False else ())


def directive_rows(lines: Sequence[bytes]) -> list[int]:
    """List the rows of ``lines`` that begin with ``#``: some hundred of ten thousand, which a search finds faster."""
    data = b"\n" + b"".join(lines)
    rows: list[int] = []
    at, row = data.find(b"\n#"), -1
    counted = 0
    while at >= 0:
        row += data.count(b"\n", counted, at + 1)
        counted = at + 1
        rows.append(row)
        at = data.find(b"\n#", at + 1)
    return rows


def spliced(lines: Sequence[bytes], edits: Sequence[Edit]) -> list[bytes]:
    """Put ``edits``, which are in file order, into ``lines``."""
    out: list[bytes] = []
    at = 0
    for edit in edits:
        out += lines[at : edit.start]
        out += [line for sign, line in edit.body if sign != b"-"]
        at = edit.end
    return out + list(lines[at:])


def new_file_diff(path: str, lines: Sequence[bytes], mode: int) -> bytes:
    """Write the part of a unified diff that brings the file ``path``; ``mode`` is its permissions."""
    name = path.encode()
    head = b"diff --git a/%b b/%b\nnew file mode 100%o\n" % (name, name, mode)
    head += f"index {'0' * 40}..{blob_id(b''.join(lines))}\n".encode()
    body = b"".join(_written(b"+", line) for line in lines)
    return head + b"--- /dev/null\n+++ b/%b\n@@ -0,0 +1,%d @@\n" % (name, len(lines)) + body


def file_diff(path: str, lines: Sequence[bytes], edits: Sequence[Edit], mode: int) -> bytes:
    """Write one file's part of a unified diff, with git's header lines; ``mode`` is the file's permissions."""
    name = path.encode()
    before, after = b"".join(lines), b"".join(spliced(lines, edits))
    out = [
        b"diff --git a/%b b/%b\n" % (name, name)
        + f"index {blob_id(before)}..{blob_id(after)} 100{mode:o}\n".encode()
        + b"--- a/%b\n+++ b/%b\n" % (name, name)
    ]
    drift = 0
    for group in _groups(edits):
        pairs, start = _with_context(lines, group)
        old = sum(sign != b"+" for sign, _ in pairs)
        new = sum(sign != b"-" for sign, _ in pairs)
        # Of a side without lines, the number is that of the line in front.
        rows = start + (old > 0), start + drift + (new > 0)
        out.append(b"@@ -%d,%d +%d,%d @@\n" % (rows[0], old, rows[1], new))
        out += [_written(sign, line) for sign, line in pairs]
        drift += new - old
    return b"".join(out)


def _written(sign: bytes, line: bytes) -> bytes:
    return sign + line + (b"" if line.endswith(b"\n") else b"\n\\ No newline at end of file\n")


def _groups(edits: Sequence[Edit]) -> list[list[Edit]]:
    """Like diff, join changes whose contexts touch."""
    groups: list[list[Edit]] = []
    for edit in edits:
        if groups and edit.start - groups[-1][-1].end <= 2 * CONTEXT:
            groups[-1].append(edit)
        else:
            groups.append([edit])
    return groups


def _with_context(lines: Sequence[bytes], group: Sequence[Edit]) -> tuple[list[Pair], int]:
    start = max(0, group[0].start - CONTEXT)
    pairs: list[Pair] = []
    at = start
    for edit in group:
        pairs += [(b" ", line) for line in lines[at : edit.start]]
        pairs += edit.body
        at = edit.end
    pairs += [(b" ", line) for line in lines[at : at + CONTEXT]]
    # Lines that an edit keeps at its edge are context too. Where one side has more than the other, GNU patch takes
    # the shorter one for the beginning or the end of the file, and refuses the hunk.
    changed = [number for number, (sign, _) in enumerate(pairs) if sign != b" "]
    before, behind = max(0, changed[0] - CONTEXT), changed[-1] + 1 + CONTEXT
    return pairs[before:behind], start + before

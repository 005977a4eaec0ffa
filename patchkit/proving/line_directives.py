"""Keep line numbers out of the comparison: unchanged lines of a changed file get the numbers that they have in stock.

Log and assertion macros put ``__LINE__`` into the code, so two more lines in one function change every function
behind it. ``#line`` directives (C89 and later) tell the compiler the old numbers; they make no code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from patchkit.patching.csource.file import CSource, parse
from patchkit.patching.render import Rendered

if TYPE_CHECKING:
    from unidiff.patch import PatchedFile, PatchSet


_CONDITIONAL = re.compile(rb"\s*#\s*(?:if|el|end)")


def neutral(rendered: Rendered) -> Mapping[str, bytes]:
    """Make the post-images of ``rendered`` in which every line that was there before has its old number."""
    return {file.path: _renumbered(parse(file.path, rendered.files[file.path]), file) for file in patch_set(rendered)}


def patch_set(rendered: Rendered) -> PatchSet:
    """Parse the diff of ``rendered`` with unidiff."""
    from unidiff.patch import PatchSet

    text = rendered.diff.decode("utf-8", "surrogateescape").split("\n")
    return PatchSet([line + "\n" for line in text[:-1]])


def _numbers(file: PatchedFile) -> dict[int, tuple[int, bool]]:
    """For lines of the diff: (number before, whether it is new) by number now.

    New lines are called what the first of the lines that they stand for, or stand before, was called.
    """
    numbers: dict[int, tuple[int, bool]] = {}
    for hunk in file:
        before = first = hunk.source_start
        for line in hunk:
            now = line.target_line_no
            if line.is_removed:
                before += 1
            elif now is not None and line.is_added:
                numbers[now] = first, True
            elif now is not None:
                numbers[now] = before, False
                before = first = before + 1
    return numbers


def _renumbered(after: CSource, file: PatchedFile) -> bytes:
    """A directive wherever the compiler would count otherwise; behind #else and #endif in any case, since it does not
    read those in what it skips. None fits inside a comment, a string or behind a backslash: then the next line has it.
    """
    numbers = _numbers(file)
    out = []
    drift, run, changed = 0, 0, False
    counted = 1  # the number that the compiler gives to the line; 0 when that depends on what it skips
    for row, line in enumerate(after.lines):
        number, new = numbers.get(row + 1, (row + 1 + drift, False))
        changed = changed or new
        run = run + 1 if new else 0
        expected = number + max(0, run - 1)
        drift = drift if new else number - row - 1
        if counted != expected and not after.joined(row):
            out.append(b"#line %d\n" % expected)
            counted, changed = expected, True
        out.append(line)
        counted = counted + 1 if counted else 0
        if changed and _CONDITIONAL.match(line):
            counted = run = 0
    return b"".join(out)

"""Line numbers taken out of the comparison: a changed file that calls its unchanged lines what stock calls them.

Log and assertion macros put ``__LINE__`` into the code, so two more lines in one function change every function
behind it. ``#line`` directives (C89 and later) tell the compiler the old numbers; they make no code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from patchkit.patching.render import Rendered

if TYPE_CHECKING:
    from unidiff.patch import PatchedFile


def neutral(rendered: Rendered) -> Mapping[str, bytes]:
    """The post-images of a diff, with every line that was there before under its old number."""
    from unidiff.patch import PatchSet

    text = rendered.diff.decode("utf-8", "surrogateescape").split("\n")
    patch = PatchSet([line + "\n" for line in text[:-1]])
    return {file.path: _renumbered(rendered.files[file.path], dict(_resumed(file))) for file in patch}


def _resumed(file: PatchedFile) -> Iterator[tuple[int, int]]:
    """Where old lines go on behind new or removed ones: (line number now, line number before)."""
    for hunk in file:
        kept = True
        for line in hunk:
            now, before = line.target_line_no, line.source_line_no
            if now is not None and before is not None and not kept:  # both: a context line
                yield now, before
            kept = line.is_context or line.line_type == "\\"


def _renumbered(after: bytes, resumed: Mapping[int, int]) -> bytes:
    lines = after.split(b"\n")
    out = []
    for number, line in enumerate(lines, 1):
        if number in resumed:
            out.append(b"#line %d" % resumed[number])
        out.append(line)
    return b"\n".join(out)

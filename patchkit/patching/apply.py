"""Apply a unified diff exactly: every context and removed line byte for byte, at the stated place, or not at all."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from patchkit.errors import BadSourceError, PatchMismatchError
from patchkit.patching.csource.file import split_lines
from patchkit.source.tree.tree import blob_id
from patchkit.storage import folder_made, replace_all

if TYPE_CHECKING:
    from unidiff.patch import Hunk, PatchedFile

_ENCODING = "utf-8"
_ERRORS = "surrogateescape"  # any byte survives the way through unidiff, which needs text


class Readable(Protocol):
    """Anything that has files to patch: a SourceTree, for one."""

    def read(self, path: str) -> bytes:
        """Read the file ``path``."""
        ...


def apply(diff: bytes, tree: Readable, new: Collection[str] = ()) -> Mapping[str, bytes]:
    """Apply ``diff`` to ``tree`` in memory: the post-images of all files that it touches, by path. Nothing is written.

    The files ``new`` are not in the tree, and the diff may bring them.

    Raises PatchMismatchError when a hunk does not match at its very line, when the diff is malformed, or when its
    ``index`` line names other blobs than the file before and after; BadSourceError when a file is not in the tree.
    """
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet

    try:
        patch = PatchSet(_lines(diff))
    except UnidiffParseError as error:
        raise PatchMismatchError("the diff is malformed", why=str(error)) from error
    if not patch:
        raise PatchMismatchError("the diff changes no file")
    after: dict[str, bytes] = {}
    for file in patch:
        is_new = file.is_added_file and file.path in new
        if file.path in after or not (file.is_modified_file or is_new):
            raise PatchMismatchError(
                f"the diff does something to {file.path} other than changing it once",
                why="variants change existing files; they add, remove and rename none",
            )
        before = b"" if is_new else tree.read(file.path)
        after[file.path] = _patched(file, before)
        _check_index(file, None if is_new else before, after[file.path])
    return after


def _lines(diff: bytes) -> list[str]:
    """Lines by ``\\n`` alone; str.splitlines would also split at form feeds and the like."""
    return [line + "\n" for line in diff.decode(_ENCODING, _ERRORS).split("\n")[:-1]]


def _patched(file: PatchedFile, before: bytes) -> bytes:
    lines = split_lines(before)
    out: list[bytes] = []
    at = 0
    for hunk in file:
        old = _side(hunk, "+")
        start = hunk.source_start - (1 if old else 0)  # of no lines, the number of the one in front
        if start < at or lines[start : start + len(old)] != old:
            raise _mismatch(file.path, hunk, lines, start, old)
        if hunk.target_start - (1 if hunk.target_length else 0) != len(out) + start - at:
            raise PatchMismatchError(
                f"the diff for {file.path} misnumbers its hunk at line {hunk.source_start}",
                why=f"the new side begins at line {len(out) + start - at + 1}, not {hunk.target_start}",
            )
        out += lines[at:start]
        out += _side(hunk, "-")
        at = start + len(old)
    return b"".join(out + lines[at:])


def _side(hunk: Hunk, without: str) -> list[bytes]:
    """The old side of a hunk (without ``+`` lines) or its new side (without ``-`` lines)."""
    side: list[bytes] = []
    previous = ""
    for line in hunk:
        if line.line_type == "\\":
            if previous != without:
                side[-1] = side[-1].removesuffix(b"\n")
            continue
        previous = line.line_type
        if line.line_type != without:
            side.append(line.value.encode(_ENCODING, _ERRORS))
    return side


def _mismatch(path: str, hunk: Hunk, lines: list[bytes], start: int, old: list[bytes]) -> PatchMismatchError:
    here = lines[start : start + len(old)]
    for offset, expected in enumerate(old):
        actual = here[offset] if offset < len(here) else b"(the file ends here)"
        if actual != expected:
            why = f"line {start + offset + 1} should be  {expected!r}\nand is {actual!r}"
            break
    else:
        why = "its hunks overlap"
    return PatchMismatchError(
        f"the diff does not apply exactly to {path} at line {hunk.source_start}",
        why=why,
        advice="render it again for this very source: patchkit render; patchkit applies no diff with fuzz",
    )


def _check_index(file: PatchedFile, before: bytes | None, after: bytes) -> None:
    known = [blob_id(before) if before is not None else "0" * 40, blob_id(after)]
    for line in map(str.strip, map(str, file.patch_info or [])):
        if not line.startswith("index "):
            continue
        ids = line.split()[1].split("..")
        if ids != known:
            raise PatchMismatchError(
                f"{file.path} is not the file that the diff was made for, or does not become what it should",
                why=f"stated {line}\nfound index {'..'.join(known)}",
            )


def write_all(folder: Path, files: Mapping[str, bytes], new: Collection[str] = ()) -> None:
    """Replace ``files`` below ``folder``, and make the folders of those that are ``new``.

    Raises BadSourceError for a symbolic link, PatchMismatchError where something that is not a file of the tree stands
    at the path of a new one, and what :func:`patchkit.storage.replace_all` raises; no folder is left then.
    """
    for path in files:
        if (folder / path).is_symlink() and path not in new:
            raise BadSourceError(
                f"{path} is a symbolic link, to {(folder / path).readlink()}",
                why="the link would become a file, and what it leads to would stay as it is",
                advice="put the file itself into the tree: cp --remove-destination, or name the folder that has it",
            )
    for path in new:
        if os.path.lexists(folder / path):
            raise PatchMismatchError(
                f"{path} is in {folder} already, and the patch brings it as a new file",
                why="it is not a file of the source, but a folder, a link or a device",
                advice=f"look at it, and move it away: {folder / path}",
            )
    with ExitStack() as made:
        for above in dict.fromkeys((folder / path).parent for path in new):
            made.enter_context(folder_made(above))
        replace_all({folder / path: data for path, data in files.items()})

"""A folder of patches as quilt keeps it: one file a patch, and ``series``, which lists them in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from patchkit.errors import ConflictError, StorageError
from patchkit.patching.combination import Combination

SERIES = "series"


def file_name(variant: str, *, guard: bool) -> str:
    """Name the file of a variant's patch."""
    return f"{variant}-guard.patch" if guard else f"{variant}.patch"


def listed(before: bytes) -> list[str]:
    """List the patches that ``before``, the contents of a ``series`` file, names; in its order."""
    return [name for name, _ in entries(before)]


def with_patches(before: bytes, combined: Combination, *, guard: bool) -> bytes:
    """Add every part of ``combined`` to ``before``, the contents of a ``series`` file: missing ones go to the end.

    Raises ConflictError when the file lists a patch that excludes a part, and StorageError when the file has CRLF line
    ends, lists a part with other options than -p1, or has the parts in another order.
    """
    names = [file_name(part.name, guard=guard) for part in combined.parts]
    _check_rivals(before, combined, names)
    if b"\r" in before:
        raise StorageError(
            "the series file has CRLF line ends",
            why="quilt takes the CR for a part of the patch's name; nothing was written",
            advice=r"sed -i 's/\r$//' series",
        )
    for name, options in entries(before):
        if name in names and options not in ([], ["-p1"]):
            raise StorageError(
                f"the series file lists {name} with {' '.join(options)}",
                why="patchkit's patches are for -p1; nothing was written",
                advice=f"take {' '.join(options)} out of that line",
            )
    there = listed(before)
    missing = [name for name in names if name not in there]
    order = [name for name in [*there, *missing] if name in names]
    if order != names:
        raise StorageError(
            f"the series file would list {', '.join(order)}, in that order",
            why=f"each is made for what the one before it leaves: {', '.join(names)}; nothing was written",
            advice="put the lines into that order",
        )
    end = b"\n" if missing and before and not before.endswith(b"\n") else b""
    return before + end + "".join(f"{name}\n" for name in missing).encode()


def touches(patch: bytes, paths: Sequence[str]) -> list[str]:
    """Select those of ``paths`` that ``patch`` changes, going by its headers."""
    named = re.findall(rb"^(?:---|\+\+\+) [^/\s]+/(\S+)", patch, re.MULTILINE)
    return [path for path in paths if path.encode() in named]


def entries(series: bytes) -> Iterator[tuple[str, list[str]]]:
    """Yield names and options, read as quilt does: a comment line begins with ``#`` in the first column."""
    for line in series.decode("utf-8", "surrogateescape").split("\n"):
        words = line.split()
        if words and not line.startswith("#"):
            comment = next((at for at, word in enumerate(words) if at and word.startswith("#")), len(words))
            yield words[0], words[1:comment]


def _check_rivals(before: bytes, combined: Combination, names: Sequence[str]) -> None:
    there = listed(before)
    for part in combined.parts:
        rivals = [file_name(name, guard=guard) for name in (part.name, *part.conflicts) for guard in (False, True)]
        excluding = [name for name in rivals if name in there and name not in names]
        if excluding:
            raise ConflictError(
                f"{part.name} can't be added: the series file lists {excluding[0]}",
                why="both change the same place; nothing was written",
                advice=f"quilt delete -r {excluding[0]}",
            )

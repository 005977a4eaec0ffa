"""The rules for paths and links of a tree, wherever it comes from: nothing leads out of the tree's folder."""

from __future__ import annotations

import os
from collections.abc import Mapping

from patchkit.errors import UnsafeArchiveError
from patchkit.source.tree.tree import SYMLINK, Entry

LONGEST = 1024
"""Characters of a path, or of a link's target."""
_DEEPEST = 64  # folders

_Node = dict[str, "_Node | None"]  # a folder's names; None for what is not a folder


def check_tree(entries: Mapping[str, Entry], name: str) -> None:
    """Check all paths and links of the tree ``name``.

    Raises UnsafeArchiveError for a path that leaves the folder, one below a link or a file, and a link that leads out
    or through another link: ``here/..`` is outside if ``here`` is ``.``.
    """
    top: _Node = {}
    for path in entries:
        _place(path, top, name)
    for path, entry in entries.items():
        if entry.mode == SYMLINK:
            _check_link(path, os.fsdecode(entry.read()), entries, name)


def unsafe(archive: str, why: str) -> UnsafeArchiveError:
    """Return the error for ``archive``, whose bytes came from somewhere."""
    return UnsafeArchiveError(
        f"{archive} is not safe to unpack", why=why, advice="get the archive again from a place you trust"
    )


def _place(path: str, top: _Node, name: str) -> None:
    *folders, last = path.split("/")
    if len(path) > LONGEST or len(folders) > _DEEPEST:
        raise unsafe(name, f"a path is longer than {LONGEST} characters, or deeper than {_DEEPEST} folders")
    if not {"", ".", ".."}.isdisjoint((*folders, last)):
        raise unsafe(name, f"{path!r} would leave the folder")
    here = top
    for number, folder in enumerate(folders):
        below = here.setdefault(folder, {})
        if below is None:
            above = "/".join(folders[: number + 1])
            raise unsafe(name, f"{path!r} lies below {above!r}, which is not a folder")
        here = below
    if here.get(last) is not None:
        raise unsafe(name, f"something lies below {path!r}, which is not a folder")
    here[last] = None


def _check_link(path: str, target: str, entries: Mapping[str, Entry], name: str) -> None:
    steps = [step for step in target.split("/") if step not in ("", ".")]
    if len(target) > LONGEST or len(steps) > _DEEPEST:
        raise unsafe(name, f"the target of the link {path!r} is too long")
    leads_out = unsafe(name, f"the link {path!r} leads out of the folder, to {target!r}")
    if target.startswith("/"):
        raise leads_out
    here = path.split("/")[:-1]
    for number, step in enumerate(steps, 1):
        if step != "..":
            here.append(step)
        elif here:
            here.pop()
        else:
            raise leads_out
        if number == len(steps):
            return
        there = entries.get("/".join(here)) if step != ".." else None
        if there is not None and there.mode == SYMLINK:
            raise unsafe(name, f"the link {path!r} leads through another link")

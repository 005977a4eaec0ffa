"""Write a source tree to disk: whole under its name, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from patchkit.source.tree.links import check_tree
from patchkit.source.tree.tree import SYMLINK, SourceTree
from patchkit.storage import whole_folder, writing


def place(tree: SourceTree, folder: Path) -> None:
    """Write ``tree`` into the new folder ``folder``.

    Raises StorageError where something is there already or can't be written, DiskFullError, and UnsafeArchiveError
    for a path or link that leaves the folder.
    """
    with whole_folder(folder) as temporary, writing(folder):
        check_tree(tree.entries, tree.origin.name)
        for path, entry in tree.entries.items():
            file = temporary / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if entry.mode == SYMLINK:
                file.symlink_to(os.fsdecode(entry.read()))
                continue
            file.write_bytes(entry.read())
            file.chmod(entry.mode)
            os.utime(file, (entry.mtime, entry.mtime))
        for here, _, _ in os.walk(temporary):
            Path(here).chmod(0o755)

"""Write a source tree to disk: whole under its name, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from patchkit.errors import StorageError
from patchkit.source.tree.links import check_tree
from patchkit.source.tree.tree import SYMLINK, SourceTree
from patchkit.storage import writing


def place(tree: SourceTree, folder: Path) -> None:
    """Write ``tree`` into the new folder ``folder``.

    Raises StorageError where something is there already or can't be written, DiskFullError, and UnsafeArchiveError
    for a path or link that leaves the folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(f"{folder} exists already", why="nothing was changed in it", advice="name a new folder")
    check_tree(tree.entries, tree.origin.name)
    with writing(folder):
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.absolute().parent, prefix=f".{folder.name}."))
        try:
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
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

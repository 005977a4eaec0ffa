"""Read files of users' own: plain files of a bounded size, inside of the folder that was named."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from patchkit.errors import BadPatchError
from patchkit.printable import in_one_line
from patchkit.storage import reading, without_waiting

MAX_FOLDER = 16 * 1024 * 1024
"""Bytes of all files of a folder."""
_MOST = 500  # files of a folder


def read_file(path: Path, most: int) -> bytes:
    """Read the plain file ``path``, of ``most`` bytes at most; a link that the user names is followed.

    Raises BadPatchError where it is something else or larger, and StorageError where it can't be read.
    """
    with reading(path), open(path, "rb", opener=without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BadPatchError(f"{_shown(path)} is not a file", advice="give a file, or a folder with a file series")
        data = file.read(most + 1)
    if len(data) > most:
        raise BadPatchError(
            f"{_shown(path)} has more than {most >> 20} MiB", advice="give the diff of OpenVPN's files alone"
        )
    return data


def read_below(folder: Path, name: str, most: int) -> bytes:
    """Read the file ``name`` in ``folder``: not a link, and not outside of the folder.

    Raises BadPatchError, and StorageError where it can't be read.
    """
    parts = name.split("/")
    if name.startswith("/") or not {"", ".", ".."}.isdisjoint(parts) or not name.isprintable():
        raise BadPatchError(
            f"{_shown(folder)} names a file outside of it: {in_one_line(name)[:200]}",
            advice="copy it into the folder, and name it by its path from there",
        )
    here = folder
    for part in parts:
        here = here / part
        if here.is_symlink():
            raise BadPatchError(
                f"{_shown(here)} is a link",
                why="files of a folder are read inside of it alone",
                advice="put the file itself there: cp -L",
            )
    if here.is_dir() or not here.exists():
        what = "that is a folder" if here.is_dir() else "there is no such file"
        raise BadPatchError(
            f"{_shown(folder)} names {in_one_line(name)[:200]}, and {what}",
            why=f"it was looked for at {_shown(here)}",
            advice="each line of a file series is the path of one patch, from the folder on",
        )
    return read_file(here, most)


def files_of(folder: Path) -> dict[str, bytes]:
    """Read all files of ``folder`` itself, by name; no link, no folder inside, and 16 MiB in all.

    Raises BadPatchError and StorageError.
    """
    with reading(folder):
        names = sorted(path.name for path in folder.iterdir())
    if len(names) > _MOST:
        raise BadPatchError(f"{_shown(folder)} has more than {_MOST} files", advice="give a folder of one variant")
    found: dict[str, bytes] = {}
    left = MAX_FOLDER
    for name in names:
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            continue
        found[name] = read_below(folder, name, left)
        left -= len(found[name])
    return found


def _shown(path: Path) -> str:
    return in_one_line(str(path))

"""Temporary folders that a killed process leaves: each holds a lock, which the kernel frees, and the next run looks."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from patchkit.signals import held_off

PREFIX = "patchkit-"
"""All of patchkit's temporary folders begin with it."""
MARK = ".in-use"
"""The file in such a folder whose lock says that a process works in it."""
_SHARED = Path("/dev/shm")  # noqa: S108 - where the lab's guests keep their memory, if there is room


@contextmanager
def temporary(kind: str, parent: Path) -> Iterator[Path]:
    """Make a folder for ``kind`` in ``parent`` and remove it at the end of the context, however that ends.

    Those that killed processes have left there are removed first, once a process. Raises OSError where none can be
    made.
    """
    _remove_left_once(parent)
    with held_off():
        folder, lock = marked(kind, parent)
    try:
        yield folder
    finally:
        with held_off():
            os.close(lock)
            shutil.rmtree(folder, ignore_errors=True)


def marked(kind: str, parent: Path) -> tuple[Path, int]:
    """Make a folder for ``kind`` in ``parent``; return it, and the descriptor of the file that locks it.

    Raises OSError where none can be made.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{kind}", dir=parent))
    new = folder / f"{MARK}.new"
    lock = os.open(new, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    new.rename(folder / MARK)
    return folder, lock


def parents() -> list[Path]:
    """List the folders in which patchkit makes temporary ones."""
    return list(dict.fromkeys((Path(tempfile.gettempdir()), _SHARED)))


def left(parent: Path) -> list[Path]:
    """List the folders in ``parent`` that this user's killed processes have left."""
    return sorted(mark.parent for mark in parent.glob(f"{PREFIX}*/{MARK}") if _is_left(mark))


def remove_left(parent: Path) -> list[Path]:
    """Remove the folders in ``parent`` that killed processes have left; return those that were there."""
    folders = left(parent)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return folders


@lru_cache(maxsize=8)
def _remove_left_once(parent: Path) -> None:
    remove_left(parent)


def _is_left(mark: Path) -> bool:
    """Return whether the process that made ``mark`` has ended without removing it; others' folders are left alone."""
    with suppress(OSError):
        if mark.parent.stat().st_uid != os.getuid():
            return False
        with mark.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False

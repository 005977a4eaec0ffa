"""The cache folder: what is in it can always be fetched or made again.

``PATCHKIT_CACHE`` names it; otherwise it is the platform's (``~/.cache/patchkit`` on Linux).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from patchkit.errors import StorageError
from patchkit.storage import locked, writing

# https://bford.info/cachedir/: the signature line is fixed by that document.
_CACHEDIR_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is patchkit's cache; it can be deleted at any time.\n"
)


_IN_USE = 24 * 3600  # seconds since its last use after which nobody can be at work with it any more


def keep_newest(folder: Path, count: int, *, used: Path) -> None:
    """Delete all but the ``count`` entries of ``folder`` that were used last, and ``used`` is used now.

    What was used within the last day stays all the same: another run may be at work with it. For what is large and
    quickly made again. Raises StorageError.
    """
    with writing(folder):
        used.touch()
        entries = sorted(folder.iterdir(), key=lambda path: path.lstat().st_mtime, reverse=True)
        for entry in entries[count:]:
            if time.time() - entry.lstat().st_mtime < _IN_USE:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)


class Cache:
    """A folder with a CACHEDIR.TAG, and locks so that two runs can share it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def default(cls) -> Cache:
        """The user's cache. Raises StorageError where it can't be made."""
        from platformdirs import user_cache_path

        named = os.environ.get("PATCHKIT_CACHE")
        try:
            return cls(Path(named).expanduser().absolute() if named else user_cache_path("patchkit"))
        except RuntimeError as error:
            raise StorageError(
                "there is no home folder for the cache", why=str(error), advice="set PATCHKIT_CACHE to a folder"
            ) from error

    def folder(self, *names: str) -> Path:
        """A folder inside the cache, made when missing. Raises StorageError or DiskFullError."""
        folder = self.root.joinpath(*names)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            tag = self.root / "CACHEDIR.TAG"
            if not tag.exists():
                tag.write_text(_CACHEDIR_TAG)
        return folder

    @contextmanager
    def lock(self, name: str, *, busy: str | None = None) -> Iterator[None]:
        """Hold the lock ``name``. The kernel frees it when a process dies.

        Another run waits; or, with ``busy`` (a name for what it would work on), raises StorageError at once.
        """
        with locked(self.folder("locks"), f"{name}.lock", busy=busy):
            yield

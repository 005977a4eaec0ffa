"""The cache folder: what is in it can always be fetched or made again.

``PATCHKIT_CACHE`` names it; otherwise it is the platform's (``~/.cache/patchkit`` on Linux).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from patchkit.errors import DiskFullError, StorageError

# https://bford.info/cachedir/: the signature line is fixed by that document.
_CACHEDIR_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is patchkit's cache; it can be deleted at any time.\n"
)


class Cache:
    """A folder with a CACHEDIR.TAG, and locks so that two runs can share it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def default(cls) -> Cache:
        """The user's cache. Raises StorageError where it can't be made."""
        named = os.environ.get("PATCHKIT_CACHE")
        if named:
            return cls(Path(named).expanduser())
        from platformdirs import user_cache_path

        return cls(user_cache_path("patchkit"))

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
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock ``name``; another run waits. The kernel frees it when a process dies."""
        from filelock import FileLock

        path = self.folder("locks") / f"{name}.lock"
        lock = FileLock(path)
        with writing(path):
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals about ``path`` into errors with advice."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"no room left while writing {path}",
                why=f"{error.strerror}; nothing was left under a final name",
                advice="free some space, or set PATCHKIT_CACHE, TMPDIR or --out to a larger disk",
            ) from error
        raise StorageError(
            f"can't write {path}", why=error.strerror or str(error), advice="check its owner and permissions"
        ) from error

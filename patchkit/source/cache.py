"""The cache folder: what is in it can always be fetched or made again.

``PATCHKIT_CACHE`` names it; otherwise it is the platform's (``~/.cache/patchkit`` on Linux).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from patchkit.errors import StorageError
from patchkit.storage import locked, writing

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
        from platformdirs import user_cache_path

        named = os.environ.get("PATCHKIT_CACHE")
        try:
            return cls(Path(named).expanduser() if named else user_cache_path("patchkit"))
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
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock ``name``; another run waits. The kernel frees it when a process dies."""
        with locked(self.folder("locks"), f"{name}.lock"):
            yield

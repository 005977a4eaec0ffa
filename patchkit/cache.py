"""The cache folder, whose contents can always be fetched or built again.

``PATCHKIT_CACHE`` names the folder; the default is the platform's (``~/.cache/patchkit`` on Linux).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from patchkit.errors import StorageError
from patchkit.storage import locked, writing

# https://bford.info/cachedir/: the signature line is fixed by that document.
_CACHEDIR_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is patchkit's cache; it can be deleted at any time.\n"
)


_IN_USE = 24 * 3600  # seconds since its last use after which no run can still be using an entry


def keep_newest(folder: Path, count: int, *, used: Path) -> None:
    """Mark the entry ``used`` as used now, and delete all but the ``count`` entries of ``folder`` that were used last.

    Entries used within the last day stay, since another run may be using them. Meant for entries that are large and
    quickly made again. Raises DiskFullError or StorageError.
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


FOLDERS = (
    "answers",
    "cluster",
    "configure",
    "credentials",
    "diffs",
    "downloads",
    "git",
    "guests",
    "images",
    "kernels",
    "libraries",
    "locks",
    "logs",
    "machines",
    "programs",
    "stock",
    "unpinned",
    "zig",
)
"""Names of the folders in a cache, each a property of :class:`Cache`."""


class Cache:
    """A folder with a CACHEDIR.TAG, and locks so that two runs can share it.

    Reading a property that names a folder makes the folder where it is missing, unless ``create`` is False, and
    raises StorageError or DiskFullError where that fails.
    """

    def __init__(self, root: Path, *, create: bool = True) -> None:
        self.root = root
        self._create = create

    @classmethod
    def default(cls) -> Cache:
        """Return the user's cache. Raises StorageError where it would be in a home folder, and there is none."""
        from platformdirs import user_cache_path

        named = os.environ.get("PATCHKIT_CACHE")
        try:
            return cls(Path(named).expanduser().absolute() if named else user_cache_path("patchkit"))
        except RuntimeError as error:
            raise StorageError(
                "there is no home folder for the cache", why=str(error), advice="set PATCHKIT_CACHE to a folder"
            ) from error

    def read_only(self) -> Cache:
        """Return the same cache for reading: naming a folder of it does not make the folder."""
        return Cache(self.root, create=False)

    def existing(self) -> list[Path]:
        """Return the folders of :data:`FOLDERS` that exist."""
        return [path for name in FOLDERS if (path := self.root / name).is_dir()]

    @property
    def answers(self) -> Path:
        """What variants make of files, a file for each version of patchkit."""
        return self.made("answers")

    @property
    def cluster(self) -> Path:
        """Kernels of the lab that clients of a cluster have brought, by sha256."""
        return self.made("cluster")

    @property
    def configure(self) -> Path:
        """What configure found out, by toolchain and source."""
        return self.made("configure")

    @property
    def credentials(self) -> Path:
        """Certificates and keys of the lab's peers, a folder for each scheme that makes them."""
        return self.made("credentials")

    @property
    def diffs(self) -> Path:
        """What templates make of verified sources, by version of patchkit, source and variant."""
        return self.made("diffs")

    @property
    def downloads(self) -> Path:
        """Files whose hash is pinned, by name: tarballs, packages, images of a mirror."""
        return self.made("downloads")

    @property
    def git(self) -> Path:
        """Bare clones without blobs, one a repository."""
        return self.made("git")

    @property
    def guests(self) -> Path:
        """The lab's guests, a folder with a kernel and an initramfs for each."""
        return self.made("guests")

    @property
    def images(self) -> Path:
        """What Docker's images hold, by image id."""
        return self.made("images")

    @property
    def kernels(self) -> Path:
        """The lab's kernels of User-Mode Linux, a folder with the program and a record for each."""
        return self.made("kernels")

    @property
    def libraries(self) -> Path:
        """Static libraries, compiled, one archive each."""
        return self.made("libraries")

    @property
    def locks(self) -> Path:
        """Files that running processes hold locks on."""
        return self.made("locks")

    @property
    def logs(self) -> Path:
        """Logs of builds that are running or have failed."""
        return self.made("logs")

    @property
    def machines(self) -> Path:
        """Snapshots of the lab's booted machines."""
        return self.made("machines")

    @property
    def programs(self) -> Path:
        """Artifacts built for the lab and for verify, with a manifest, as in ``dist/``."""
        return self.made("programs")

    @property
    def stock(self) -> Path:
        """Stock programs that variants are tried against, by toolchain and source."""
        return self.made("stock")

    @property
    def unpinned(self) -> Path:
        """Tarballs and signatures of releases that no pin knows."""
        return self.made("unpinned")

    @property
    def zig(self) -> Path:
        """Unpacked wheels of zig, a folder for each, with the musl that it has compiled."""
        return self.made("zig")

    def made(self, *names: str) -> Path:
        """Return the folder at the path ``names``, made where missing. Raises StorageError or DiskFullError."""
        folder = self.root.joinpath(*names)
        if self._create:
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                tag = self.root / "CACHEDIR.TAG"
                if not tag.exists():
                    tag.write_text(_CACHEDIR_TAG)
        return folder

    @contextmanager
    def lock(
        self, name: str, *, busy: str | None = None, waiting: Callable[[], object] | None = None
    ) -> Iterator[None]:
        """Hold the lock ``name``, which the kernel frees when the process dies.

        Where another run holds it, wait, after a call of ``waiting``; with ``busy``, the name of what the lock
        protects, raise StorageError instead. Also raises DiskFullError.
        """
        with locked(self.locks, f"{name}.lock", busy=busy, waiting=waiting):
            yield

"""A source tree as a value in memory: paths, modes, bytes, and where they came from."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, runtime_checkable

from patchkit.errors import BadSourceError

SYMLINK = 0o120777
# OpenVPN's largest tarball unpacks to some 12 MB in some 750 files: room for twenty times that.
MAX_BYTES = 256 * 1024 * 1024
"""The size of a tree, in bytes."""
_EVERYWHERE = "reliable.c"  # every release has it
_UNLIKE = "it does not look like an OpenVPN source tree"
_GIVE = f"give the folder or tarball that holds configure.ac and {_EVERYWHERE}"


@dataclass(frozen=True)
class Origin:
    """Where a tree came from, and whether a pin covers it."""

    kind: Literal["tarball", "git", "directory"]
    name: str
    """The tarball's file name, the git ref, or the folder."""
    verified: bool
    """Whether a pin covers every byte: a tarball's sha256, or a tag's commit and tree."""
    epoch: int
    """Seconds since 1970: the newest file of a tarball, the commit's date; becomes SOURCE_DATE_EPOCH."""
    sha256: str | None = None
    size: int | None = None
    commit: str | None = None
    tree: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or symbolic link. ``mode`` is 0o644, 0o755 or SYMLINK; ``read`` returns its bytes or its target.

    ``blob`` is the git id of these bytes where it is known without reading them.
    """

    mode: int
    mtime: int
    read: Callable[[], bytes]
    blob: str | None = None

    @classmethod
    def of(cls, data: bytes, *, mode: int = 0o644, mtime: int = 0) -> Entry:
        """Return an entry whose content is ``data``; ``mtime`` is in seconds since 1970."""
        return cls(mode, mtime, lambda: data)


@runtime_checkable
class Foldered(Protocol):
    """Entries that know their folders, and need not list every path to look into one."""

    def below(self, folder: str) -> str | None:
        """Return the path of a file in ``folder``; None where it is not a folder with files."""
        ...


def below(entries: Mapping[str, Entry], folder: str) -> str | None:
    """Return the path of a file of ``entries`` in ``folder``; None where it is not a folder with files."""
    if isinstance(entries, Foldered):
        return entries.below(folder)
    return next((path for path in entries if path.startswith(f"{folder}/")), None)


@dataclass(frozen=True)
class SourceTree:
    """Files by their path below the tree's top, with ``/`` between the parts."""

    origin: Origin
    entries: Mapping[str, Entry]

    def __contains__(self, path: str) -> bool:
        return path in self.entries

    def read(self, path: str) -> bytes:
        """Return the bytes of the file ``path``. Raises BadSourceError where the tree has no such file."""
        entry = self.entries.get(path)
        if entry is None:
            raise BadSourceError(
                f"{self.origin.name} has no file {path}",
                why=_UNLIKE,
                advice=_GIVE,
            )
        return entry.read()

    def find(self, name: str) -> str:
        """Return the path of the OpenVPN source file ``name``: in the root to 2.3-alpha1, in src/openvpn/ since.

        Raises BadSourceError where the tree has no such file.
        """
        for path in (f"src/openvpn/{name}", name):
            if path in self.entries:
                return path
        raise self._without(name)

    def has(self, name: str) -> bool:
        """Return whether there is an OpenVPN source file ``name``, or a symbolic link of that name."""
        return f"src/openvpn/{name}" in self.entries or name in self.entries

    def find_to_change(self, name: str) -> str:
        """Return what :meth:`find` does. Raises BadSourceError for a symbolic link, too."""
        path = self.find(name)
        if self.entries[path].mode == SYMLINK:
            raise BadSourceError(
                f"{path} is a symbolic link",
                why="a patch changes files and does not follow links",
                advice="give a copy without links: cp -rL",
            )
        return path

    def _without(self, name: str) -> BadSourceError:
        """Return the error for a tree that has no OpenVPN source file ``name``: what it may be instead."""
        missing = f"{self.origin.name} has no file src/openvpn/{name}"
        nested = sorted(path for path in self.entries if path.endswith(f"/src/openvpn/{name}"))
        if nested and "configure.ac" not in self.entries:
            folder = nested[0].removesuffix(f"/src/openvpn/{name}")
            return BadSourceError(
                f"{self.origin.name} has its OpenVPN in {folder}/",
                why=f"it does not look like an OpenVPN source tree itself, and holds {nested[0]}",
                advice=f"give that folder: {self.origin.name}/{folder}",
            )
        if self.has(_EVERYWHERE):
            return BadSourceError(
                missing,
                why=f"it is a source tree of OpenVPN otherwise: it has {_EVERYWHERE}",
                advice="start from a whole source: patchkit fetch --version V --to DIR",
            )
        for folder in ("src", "src/openvpn"):
            if folder in self.entries and self.entries[folder].mode == SYMLINK:
                return BadSourceError(
                    missing,
                    why=f"{folder} is a symbolic link, which is not followed",
                    advice="give a copy without links: cp -rL",
                )
        submodules = "git submodule update --init gets what is in a submodule: then give its own folder"
        if not self.entries:
            return BadSourceError(missing, why=f"{_UNLIKE}: it is empty", advice=submodules)
        if ".gitmodules" in self.entries:
            why = f"{_UNLIKE}, and has submodules, which git keeps in repositories of their own"
            return BadSourceError(missing, why=why, advice=submodules)
        return BadSourceError(missing, why=_UNLIKE, advice=_GIVE)

    def tar(self, prefix: str, owner: int = 0) -> bytes:
        """Pack the tree below ``prefix`` into an uncompressed tar, in path order, owned by the user id ``owner``.

        Raises BadSourceError where the tree is too large.
        """
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for info, data in self._members(prefix):
                info.uid = info.gid = owner
                archive.addfile(info, io.BytesIO(data))
        return out.getvalue()

    def _members(self, prefix: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        folders = {folder for path in self.entries for folder in _folders(f"{prefix}/{path}")}
        for name in sorted(folders):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, self.origin.epoch
            yield info, b""
        total = 0
        for path in sorted(self.entries):
            entry = self.entries[path]
            info = tarfile.TarInfo(f"{prefix}/{path}")
            info.mtime = entry.mtime
            data = entry.read()
            total += len(data)
            if total > MAX_BYTES:
                raise BadSourceError(
                    f"{self.origin.name} holds more than {MAX_BYTES // 2**20} MiB", advice="use another source"
                )
            if entry.mode == SYMLINK:
                info.type, info.linkname, data = tarfile.SYMTYPE, os.fsdecode(data), b""
            info.mode, info.size = entry.mode & 0o777, len(data)
            yield info, data


def _folders(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def sha256_of_tree(tree: SourceTree) -> str:
    """Hash all of ``tree``, paths, modes and time stamps included: SHA-256, in hex."""
    return hashlib.sha256(tree.tar("x")).hexdigest()


def blob_id(data: bytes) -> str:
    """Return the id that git gives ``data`` as a blob (SHA-1 over a header and the bytes), 40 hex digits."""
    return _id_of_small(data) if len(data) <= _SMALL else _id_of(data)


_SMALL = 1 << 20  # bytes of a file whose id is kept: one file is asked for by every variant and every check


@lru_cache(maxsize=64)
def _id_of_small(data: bytes) -> str:
    return _id_of(data)


def _id_of(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()

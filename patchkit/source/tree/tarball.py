"""Read a source tarball into a tree, and refuse members that a source tarball never needs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from patchkit.source.tree.links import check_tree, unsafe
from patchkit.source.tree.tree import MAX_BYTES, SYMLINK, Entry, Origin, SourceTree

MAX_MEMBERS = 50_000
MAX_PACKED = 200 * 1024 * 1024
"""Bytes of a file that is read at all; OpenSSL's largest tarball has 53 MB."""
_MAX_MTIME = 8**11  # the last second that a plain tar header can hold, in the year 2242

_MAX_HEADER = 8192  # bytes of a pax header, or of a long name
_MAX_HEADERS = 1 << 24  # bytes of all of them
_MAX_GLOBAL = 4096  # bytes of all global pax headers: each member gets a copy. git writes one, with a commit's id
_PIECE = 1 << 20
_XZ_MEMORY = 1 << 27  # bytes; xz -9 needs half of it
_MAX_STREAMS = 10_000  # in one file; a program that compresses by parts makes one of 64 kB at least, and an empty one
# costs as much time as 10 kB


class _Plain(io.RawIOBase):
    """``data`` as a file; BytesIO would copy all of it."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = memoryview(data)
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        """Read ``size`` bytes, or to the end."""
        end = len(self._data) if size < 0 else self._at + size
        piece = bytes(self._data[self._at : end])
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to ``offset``; ``whence`` is its origin."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._at


class _Bounded(tarfile.TarInfo):
    """Members whose extended headers have limits: tarfile calls these methods by the type of a header."""

    def _proc_pax(self, archive: Any) -> Any:
        self._count(archive)
        if self.type == tarfile.XGLTYPE:
            archive.global_bytes = getattr(archive, "global_bytes", 0) + self.size
            if archive.global_bytes > _MAX_GLOBAL:
                raise tarfile.ReadError(f"its global headers are larger than {_MAX_GLOBAL} bytes")
        return super()._proc_pax(archive)  # type: ignore[misc]

    def _proc_gnulong(self, archive: Any) -> Any:
        self._count(archive)
        return super()._proc_gnulong(archive)  # type: ignore[misc]

    def _count(self, archive: Any) -> None:
        archive.header_bytes = getattr(archive, "header_bytes", 0) + self.size
        if not 0 <= self.size <= _MAX_HEADER or archive.header_bytes > _MAX_HEADERS:
            raise tarfile.ReadError(f"a header is larger than {_MAX_HEADER} bytes, or all together are too large")

    def _no_sparse(self, *_: object) -> None:
        """Refuse sparse files here: tarfile reads the map of one without end where it has none."""
        raise tarfile.ReadError("it has a sparse file")

    _proc_sparse = _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _no_sparse


def _xz(raw: io.BytesIO) -> io.BufferedIOBase:
    """Open an xz file; a header that asks for a dictionary of gigabytes is refused."""
    lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY).decompress(raw.getvalue()[:_PIECE], max_length=1)
    return lzma.LZMAFile(raw)


_OPENERS: tuple[tuple[bytes, Callable[[io.BytesIO], io.BufferedIOBase]], ...] = (
    (b"\x1f\x8b\x08", lambda raw: gzip.GzipFile(fileobj=raw)),
    (b"\xfd7zXZ\0", _xz),
    (b"BZh", bz2.BZ2File),
)


DAMAGED = (
    tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError, ValueError, OverflowError, RecursionError,
)  # fmt: skip
"""What the standard library raises for archives that are damaged or hostile."""


def as_tree(data: bytes, origin: Origin) -> SourceTree:
    """Read the compressed or plain tar ``data`` into a tree without its only top folder.

    The tree's origin is ``origin``, with the newest time stamp as epoch. Raises UnsafeArchiveError for a path or link
    that leaves the folder, a device, a setuid bit, a bomb, two members of one name, and anything but a tar.
    """
    try:
        plain = decompressed(data, origin.name, MAX_BYTES)
        with tarfile.open(fileobj=_Plain(plain), mode="r:", tarinfo=_Bounded) as archive:
            entries = _collect(archive, plain, origin.name)
            if plain[archive.offset : archive.offset + tarfile.BLOCKSIZE] != tarfile.NUL * tarfile.BLOCKSIZE:
                # tarfile takes a damaged or missing header for the end.
                raise tarfile.ReadError("it breaks off, or is damaged, before its end mark")
    except DAMAGED as error:
        raise unsafe(origin.name, f"it is not a whole tar archive: {error}") from error
    newest = max((entry.mtime for entry in entries.values()), default=0)
    return SourceTree(replace(origin, epoch=newest), entries)


def plain_members(plain: bytes | bytearray) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Give each member of the uncompressed tar ``plain``, and what is in it where it is a file.

    Raises one of DAMAGED where it is damaged, has a sparse file or large headers, or too many members.
    """
    with tarfile.open(fileobj=_Plain(plain), mode="r:", tarinfo=_Bounded) as archive:
        for count, member in enumerate(_members(archive)):
            begin, end = member.offset_data, member.offset_data + member.size
            if count >= MAX_MEMBERS or not begin <= end:
                raise tarfile.ReadError(f"it has more than {MAX_MEMBERS} members, or one of an impossible size")
            if member.isreg() and end > len(plain):
                raise tarfile.ReadError("unexpected end of data")
            yield member, bytes(memoryview(plain)[begin:end]) if member.isreg() else b""


def decompressed(data: bytes, name: str, most: int) -> bytes | bytearray:
    """Decompress ``data``, if it is compressed by gzip, xz or bzip2.

    Raises UnsafeArchiveError where it unpacks to more than ``most`` bytes, and what is in DAMAGED.
    """
    for magic, opener in _OPENERS:
        if data.startswith(magic):
            if data.count(magic) > _MAX_STREAMS:
                raise unsafe(name, f"it is compressed in more than {_MAX_STREAMS} parts")
            # Piece by piece: one large read of Python's would hold all of it twice.
            plain: bytes | bytearray = bytearray()
            with opener(io.BytesIO(data)) as stream:
                while len(plain) <= most and (piece := stream.read(_PIECE)):
                    plain += piece
            break
    else:
        plain = data
    if len(plain) > most:
        raise unsafe(name, f"it unpacks to more than {most // 2**20} MiB")
    return plain


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Give the members one by one; tarfile would keep them all, each with a copy of all fields of pax headers."""
    while (member := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]
        yield member


def _collect(archive: tarfile.TarFile, plain: bytes | bytearray, name: str) -> dict[str, Entry]:
    files: dict[str, Entry] = {}
    tops: set[str] = set()
    total = 0
    for count, member in enumerate(_members(archive)):
        if count >= MAX_MEMBERS:
            raise unsafe(name, f"it has more than {MAX_MEMBERS} members")
        top, path = _split(member.name, name)
        tops.add(top)
        if len(tops) > 1:
            raise unsafe(name, f"it has more than one top folder: {', '.join(sorted(tops))}")
        if member.mode & 0o6000:
            raise unsafe(name, f"{member.name!r} has a setuid or setgid bit")
        if member.size < 0 or not 0 <= member.mtime < _MAX_MTIME:
            raise unsafe(name, f"{member.name!r} has an impossible size or time stamp")
        if member.isdir():
            continue
        if path in files:
            raise unsafe(name, f"{member.name!r} is in it twice")
        total += member.size
        if member.islnk():  # on disk it is a copy
            total += len(_linked(member, top, files, name).read())
        if total > MAX_BYTES:
            raise unsafe(name, f"it unpacks to more than {MAX_BYTES // 2**20} MiB")
        files[path] = _entry(plain, member, path, top, files, name)
    if not files:
        raise unsafe(name, "it holds no files")
    check_tree(files, name)
    return files


def _split(member: str, archive: str) -> tuple[str, str]:
    parts = [part for part in member.split("/") if part not in ("", ".")]
    if not parts and not member.startswith("/"):
        raise unsafe(archive, f"{member!r} is not a top folder, in which all files have to lie: tar -C ABOVE FOLDER")
    if member.startswith("/") or ".." in parts or not parts or "\\" in member or "\0" in member:
        raise unsafe(archive, f"{member!r} would leave the folder")
    return parts[0], "/".join(parts[1:])


def _entry(
    plain: bytes | bytearray, member: tarfile.TarInfo, path: str, top: str, seen: dict[str, Entry], name: str
) -> Entry:
    if not path:
        raise unsafe(name, f"{member.name!r} lies outside the top folder")
    mtime = int(member.mtime)
    if member.issym():
        return Entry.of(os.fsencode(member.linkname), mode=SYMLINK, mtime=mtime)
    if member.islnk():
        return _linked(member, top, seen, name)
    if not member.isreg() or member.issparse():
        raise unsafe(name, f"{member.name!r} is neither a file, a folder nor a link")
    begin, end = member.offset_data, member.offset_data + member.size
    if end > len(plain):
        raise tarfile.ReadError("unexpected end of data")
    mode = 0o755 if member.mode & 0o111 else 0o644
    # The bytes stay where they are: read once for all, they would take their room twice.
    return Entry(mode, mtime, lambda: bytes(memoryview(plain)[begin:end]))


def _linked(member: tarfile.TarInfo, top: str, seen: dict[str, Entry], name: str) -> Entry:
    link_top, link_path = _split(member.linkname, name)
    if link_top != top or link_path not in seen:
        raise unsafe(name, f"the hard link {member.name!r} leads to {member.linkname!r}, which is not there")
    if seen[link_path].mode == SYMLINK:
        # Elsewhere the same relative target leads elsewhere.
        raise unsafe(name, f"the hard link {member.name!r} leads to {member.linkname!r}, which is a link")
    return seen[link_path]

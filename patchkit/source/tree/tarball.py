"""Read a source tarball into a tree, and refuse members that a source tarball never needs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import posixpath
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import replace

from patchkit.errors import UnsafeArchiveError
from patchkit.source.tree.tree import SYMLINK, Entry, Origin, SourceTree

# OpenVPN's largest tarball unpacks to some 12 MB in some 750 files: room for twenty times that.
MAX_BYTES = 256 * 1024 * 1024
MAX_MEMBERS = 50_000
_MAX_MTIME = 8**11  # the last second that a plain tar header can hold, in the year 2242

_OPENERS: tuple[tuple[bytes, Callable[[io.BytesIO], io.BufferedIOBase]], ...] = (
    (b"\x1f\x8b", lambda raw: gzip.GzipFile(fileobj=raw)),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
    (b"BZh", bz2.BZ2File),
)


def as_tree(data: bytes, origin: Origin) -> SourceTree:
    """Read the compressed or plain tar ``data`` into a tree without its only top folder.

    The tree's origin is ``origin``, with the newest time stamp as epoch. Raises UnsafeArchiveError for a path or link
    that leaves the folder, a device, a setuid bit, a bomb, two members of one name, and anything but a tar.
    """
    try:
        plain = _decompress(data, origin.name)
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            entries = _collect(archive, origin.name)
            if plain[archive.offset : archive.offset + tarfile.BLOCKSIZE] != tarfile.NUL * tarfile.BLOCKSIZE:
                # tarfile takes a damaged or missing header for the end.
                raise tarfile.ReadError("it breaks off, or is damaged, before its end mark")
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError, ValueError, OverflowError) as error:
        raise _unsafe(origin.name, f"it is not a whole tar archive: {error}") from error
    newest = max((entry.mtime for entry in entries.values()), default=0)
    return SourceTree(replace(origin, epoch=newest), entries)


def _unsafe(archive: str, why: str) -> UnsafeArchiveError:
    return UnsafeArchiveError(
        f"{archive} is not safe to unpack", why=why, advice="get the archive again from a place you trust"
    )


def _decompress(data: bytes, name: str) -> bytes:
    for magic, opener in _OPENERS:
        if data.startswith(magic):
            with opener(io.BytesIO(data)) as stream:
                plain = stream.read(MAX_BYTES + 1)
            break
    else:
        plain = data
    if len(plain) > MAX_BYTES:
        raise _unsafe(name, f"it unpacks to more than {MAX_BYTES // 2**20} MiB")
    return plain


def _collect(archive: tarfile.TarFile, name: str) -> dict[str, Entry]:
    files: dict[str, Entry] = {}
    tops: set[str] = set()
    total = 0
    for count, member in enumerate(archive):
        if count >= MAX_MEMBERS:
            raise _unsafe(name, f"it has more than {MAX_MEMBERS} members")
        top, path = _split(member.name, name)
        tops.add(top)
        if len(tops) > 1:
            raise _unsafe(name, f"it has more than one top folder: {', '.join(sorted(tops))}")
        if member.mode & 0o6000:
            raise _unsafe(name, f"{member.name!r} has a setuid or setgid bit")
        if member.size < 0 or not 0 <= member.mtime < _MAX_MTIME:
            raise _unsafe(name, f"{member.name!r} has an impossible size or time stamp")
        if member.isdir():
            continue
        if path in files:
            raise _unsafe(name, f"{member.name!r} is in it twice")
        total += member.size
        if member.islnk():  # on disk it is a copy
            total += len(_linked(member, top, files, name).read())
        if total > MAX_BYTES:
            raise _unsafe(name, f"it unpacks to more than {MAX_BYTES // 2**20} MiB")
        files[path] = _entry(archive, member, path, top, files, name)
    if not files:
        raise _unsafe(name, "it holds no files")
    _refuse_files_below_files(files, name)
    _refuse_links_through_links(files, name)
    return files


def _split(member: str, archive: str) -> tuple[str, str]:
    parts = [part for part in member.split("/") if part not in ("", ".")]
    if member.startswith("/") or ".." in parts or not parts or "\\" in member or "\0" in member:
        raise _unsafe(archive, f"{member!r} would leave the folder")
    return parts[0], "/".join(parts[1:])


def _entry(
    archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, top: str, seen: dict[str, Entry], name: str
) -> Entry:
    if not path:
        raise _unsafe(name, f"{member.name!r} lies outside the top folder")
    mtime = int(member.mtime)
    if member.issym():
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), member.linkname))
        if member.linkname.startswith("/") or target == ".." or target.startswith("../"):
            raise _unsafe(name, f"the link {member.name!r} leads out of the folder, to {member.linkname!r}")
        return Entry.of(member.linkname.encode(), mode=SYMLINK, mtime=mtime)
    if member.islnk():
        return _linked(member, top, seen, name)
    content = archive.extractfile(member) if member.isreg() and not member.issparse() else None
    if content is None:
        raise _unsafe(name, f"{member.name!r} is neither a file, a folder nor a link")
    mode = 0o755 if member.mode & 0o111 else 0o644
    return Entry.of(content.read(), mode=mode, mtime=mtime)


def _linked(member: tarfile.TarInfo, top: str, seen: dict[str, Entry], name: str) -> Entry:
    link_top, link_path = _split(member.linkname, name)
    if link_top != top or link_path not in seen:
        raise _unsafe(name, f"the hard link {member.name!r} leads to {member.linkname!r}, which is not there")
    if seen[link_path].mode == SYMLINK:
        # Elsewhere the same relative target leads elsewhere.
        raise _unsafe(name, f"the hard link {member.name!r} leads to {member.linkname!r}, which is a link")
    return seen[link_path]


def _refuse_links_through_links(files: dict[str, Entry], name: str) -> None:
    """Raise for a link through a link, whose target is not in its text: ``here/..`` is outside if ``here`` is ``.``."""
    links = {path for path, entry in files.items() if entry.mode == SYMLINK}
    for path in links:
        steps = [*posixpath.dirname(path).split("/"), *files[path].read().decode().split("/")]
        steps = [step for step in steps if step not in ("", ".")]
        for count in range(1, len(steps)):
            if posixpath.normpath("/".join(steps[:count])) in links:
                raise _unsafe(name, f"the link {path!r} leads through another link")


def _refuse_files_below_files(files: dict[str, Entry], name: str) -> None:
    """Raise for a member below a link or a file, which would be written through it."""
    for path in files:
        folder = posixpath.dirname(path)
        while folder:
            if folder in files:
                raise _unsafe(name, f"{path!r} lies below {folder!r}, which is not a folder")
            folder = posixpath.dirname(folder)

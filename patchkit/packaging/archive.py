"""Make a tar.gz whose bytes depend on its contents alone: not on the clock, an owner or the order of a file system.

The bytes depend on zlib too: another release of it may compress differently. The members do not change.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from patchkit.packaging.contents import Member


def plain_archive(name: str, files: Mapping[str, bytes], epoch: int) -> bytes:
    """Pack ``files``, by path, in an uncompressed tar; ``epoch`` is every member's time stamp.

    The paths begin with ``name/``, or stand as they are where ``name`` is ``.``.
    """
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as packed:
        for path, data in sorted(files.items()):
            info = tarfile.TarInfo(path if name == "." else f"{name}/{path}")
            info.mode, info.mtime, info.size = 0o644, epoch, len(data)
            packed.addfile(info, io.BytesIO(data))
    return out.getvalue()


def package_tree(files: Mapping[str, Member], folders: Iterable[str], *, epoch: int, owner: int) -> bytes:
    """Pack ``files``, by path, in a tar, with ``folders`` and all those above a file: what a packager's tool reads.

    ``epoch`` is every member's time stamp, in seconds since 1970, ``owner`` its user and group.
    """
    above = {parent.as_posix() for path in (*files, *folders) for parent in PurePosixPath(path).parents}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as packed:

        def add(path: str, kind: bytes, mode: int, data: bytes) -> None:
            info = tarfile.TarInfo(path)
            info.type, info.mode, info.size, info.mtime = kind, mode, len(data), epoch
            info.uid = info.gid = owner
            packed.addfile(info, io.BytesIO(data))

        for folder in sorted({*above, *folders} - {"."}):
            add(folder, tarfile.DIRTYPE, 0o755, b"")
        for path, member in sorted(files.items()):
            add(path, tarfile.REGTYPE, member.mode & 0o777, member.data)
    return out.getvalue()


def release_archive(installed: bytes, name: str, epoch: int, extra: Mapping[str, bytes]) -> bytes:
    """Pack ``installed``, a tar whose one top folder is the prefix, as ``name/…`` in a tar.gz.

    ``epoch`` is every member's time stamp, in seconds since 1970; ``extra`` are files to add, by path.
    Libtool's ``.la`` files name build folders and are not used, so these are left out.
    """
    members: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(installed)) as source:
        for member in source:
            path = member.name.partition("/")[2]
            if not path or member.isdir() or path.endswith(".la"):
                continue
            info = tarfile.TarInfo(f"{name}/{path}")
            info.type, info.linkname = member.type, member.linkname
            info.mode = 0o777 if member.issym() else 0o755 if member.mode & 0o111 else 0o644
            content = source.extractfile(member) if member.isreg() else None
            members[info.name] = (info, content.read() if content else b"")
    for path, data in extra.items():
        info = tarfile.TarInfo(f"{name}/{path}")
        info.mode = 0o644
        members[info.name] = (info, data)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as out:
        for path in sorted(members):
            info, data = members[path]
            info.mtime, info.size = epoch, len(data)
            out.addfile(info, io.BytesIO(data))
    return zipped(plain.getvalue())


def zipped(data: bytes) -> bytes:
    """Compress ``data`` as gzip does, without a time or a name."""
    out = io.BytesIO()
    # Not gzip.compress: what it writes into the header differs from one Python to the next.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as packed:
        packed.write(data)
    return out.getvalue()

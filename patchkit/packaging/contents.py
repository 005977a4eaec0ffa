"""Read what is in an archive that a build made: a tar.gz or a zip, member by member."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from patchkit.errors import ArtifactError, UnsafeArchiveError
from patchkit.source.tree.tarball import DAMAGED, MAX_MEMBERS, decompressed, plain_members

_PROGRAM = (b"\x7fELF", b"MZ")
_ENTRY = b"PK\1\2"  # of a zip's directory
MOST_BYTES = 128 << 20
"""Bytes of an archive, and of all its members; those of a build have some 10 MB."""


@dataclass(frozen=True)
class Member:
    """A file or link in an archive."""

    mode: int
    """Type and permissions, as ``stat`` has them."""
    time: str
    """The time stamp, as the archive has it."""
    data: bytes
    """The contents of a file, the target of a link."""

    @property
    def is_program(self) -> bool:
        """Whether the member is a program or a library: an ELF or PE file."""
        return stat.S_ISREG(self.mode) and self.data.startswith(_PROGRAM)


def regular_file(data: bytes, mode: int = 0o644) -> Member:
    """Return a file with ``data`` and the permissions ``mode``, without a time stamp of its own."""
    return Member(stat.S_IFREG | mode, "0", data)


def members(name: str, archive: bytes) -> Mapping[str, Member]:
    """Read the members of ``archive``, whose file name is ``name``, by their path below the archive's top folder.

    Raises ArtifactError where it is not an archive that patchkit makes, is damaged, or unpacks to more than 128 MiB.
    """
    try:
        return _of_zip(archive) if name.endswith(".zip") else _of_tar(decompressed(archive, name, MOST_BYTES))
    except UnsafeArchiveError as error:
        raise _unreadable(name, error.why) from error
    except (*DAMAGED, zipfile.BadZipFile, RuntimeError) as error:  # RuntimeError: a zip with a password
        raise _unreadable(name, str(error)) from error


def _unreadable(name: str, why: str) -> ArtifactError:
    return ArtifactError(f"{name} can't be unpacked", why=why, advice="get the file again")


def _of_tar(plain: bytes | bytearray) -> dict[str, Member]:
    by_path = {}
    for entry, data in plain_members(plain):
        kind = stat.S_IFREG if entry.isreg() else stat.S_IFLNK if entry.issym() else stat.S_IFDIR
        content = data if entry.isreg() else entry.linkname.encode()
        by_path[_inside(entry.name)] = Member(kind | entry.mode, str(int(entry.mtime)), content)
    return by_path


def _of_zip(archive: bytes) -> dict[str, Member]:
    if archive.count(_ENTRY) > MAX_MEMBERS:
        raise zipfile.BadZipFile(f"it has more than {MAX_MEMBERS} members")
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        entries = packed.infolist()
        if sum(entry.file_size for entry in entries) > MOST_BYTES:
            raise zipfile.BadZipFile(f"it unpacks to more than {MOST_BYTES >> 20} MiB")
        if {entry.compress_type for entry in entries} - {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise zipfile.BadZipFile("it is compressed as no zip of patchkit's is")
        return {
            _inside(entry.filename): Member(
                entry.external_attr >> 16, "-".join(map(str, entry.date_time)), packed.read(entry)
            )
            for entry in entries
        }


def _inside(path: str) -> str:
    return path.partition("/")[2]

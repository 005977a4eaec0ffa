"""Read what is in an archive that a build made: a tar.gz or a zip, member by member."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from patchkit.errors import ArtifactError

_GZIP = b"\x1f\x8b"
_PROGRAM = (b"\x7fELF", b"MZ")
_MOST = 256 << 20  # bytes of all members; those of a build have some 10 MB


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


class _TooLargeError(Exception):
    """More than an archive of patchkit's unpacks to."""


def regular_file(data: bytes, mode: int = 0o644) -> Member:
    """Return a file with ``data`` and the permissions ``mode``, without a time stamp of its own."""
    return Member(stat.S_IFREG | mode, "0", data)


def members(name: str, archive: bytes) -> Mapping[str, Member]:
    """Read the members of ``archive``, whose file name is ``name``, by their path below the archive's top folder.

    Raises ArtifactError where it is not an archive that patchkit makes, is damaged, or unpacks to more than 256 MiB.
    """
    try:
        return _of_zip(archive) if name.endswith(".zip") else _of_tar(archive)
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, _TooLargeError) as error:
        raise ArtifactError(f"{name} can't be unpacked", why=str(error), advice="get the file again") from error


def _of_tar(archive: bytes) -> dict[str, Member]:
    by_path = {}
    # Unpacked first: tarfile ends at the end mark, and would never see a checksum that is wrong or cut off.
    plain = archive
    if archive.startswith(_GZIP):
        with gzip.open(io.BytesIO(archive)) as stream:
            plain = stream.read(_MOST + 1)
        _check_size(len(plain))
    total = 0
    with tarfile.open(fileobj=io.BytesIO(plain)) as packed:
        for entry in packed:
            total += entry.size  # a sparse file has more than stands in the archive
            _check_size(total)
            content = packed.extractfile(entry) if entry.isreg() else None
            data = content.read() if content else entry.linkname.encode()
            kind = stat.S_IFREG if entry.isreg() else stat.S_IFLNK if entry.issym() else stat.S_IFDIR
            by_path[_inside(entry.name)] = Member(kind | entry.mode, str(int(entry.mtime)), data)
    return by_path


def _of_zip(archive: bytes) -> dict[str, Member]:
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        _check_size(sum(entry.file_size for entry in packed.infolist()))
        return {
            _inside(entry.filename): Member(
                entry.external_attr >> 16, "-".join(map(str, entry.date_time)), packed.read(entry)
            )
            for entry in packed.infolist()
        }


def _check_size(size: int) -> None:
    if size > _MOST:
        raise _TooLargeError(f"it unpacks to more than {_MOST >> 20} MiB")


def _inside(path: str) -> str:
    return path.partition("/")[2]

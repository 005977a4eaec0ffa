"""The parts of a kernel's source that its build reads, straight from Debian's package.

The whole source has 1.6 GB, and what a build for UML reads some 130 MB: nothing else is unpacked, and no more than some
megabytes of it are in memory at a time.
"""

from __future__ import annotations

import io
import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from patchkit.errors import GuestError
from patchkit.lab.guest.packages import data_member
from patchkit.storage import reading

# Found in the dependency files of a finished build (.*.cmd). Whole trees, then single folders without those below.
_TREES = (
    "arch/um/", "arch/x86/entry/", "arch/x86/include/", "arch/x86/lib/", "arch/x86/um/", "include/", "init/", "ipc/",
    "kernel/", "lib/", "mm/", "scripts/", "security/", "usr/",
)  # fmt: skip
_FOLDERS = frozenset((
    "", "arch/x86/kernel/cpu", "block", "certs", "crypto", "drivers/base", "drivers/base/firmware_loader",
    "drivers/base/firmware_loader/builtin", "drivers/base/power", "drivers/char", "drivers/net", "drivers/tty", "fs",
    "fs/devpts", "fs/kernfs", "fs/notify", "fs/proc", "fs/ramfs", "fs/sysfs", "io_uring", "net", "net/core",
    "net/ethernet", "net/ethtool", "net/ipv4", "net/ipv6", "net/netfilter", "net/netlink", "net/packet", "net/sched",
    "net/unix",
))  # fmt: skip
# Kconfig reads these of all folders, whatever is switched on, and make those of the folders that it looks into.
_EVERYWHERE = re.compile(r"(^|/)(Kconfig|Makefile|Kbuild)[^/]*$")
_TARBALL = re.compile(r"(\./)?usr/src/linux-source-[\d.]+\.tar\.xz")
_DAMAGED = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError)


def is_read(path: str) -> bool:
    """Return whether a build may read the file ``path`` of the source."""
    return path.startswith(_TREES) or path.rpartition("/")[0] in _FOLDERS or _EVERYWHERE.search(path) is not None


def source_files(package: Path) -> Iterator[tuple[str, int, bytes]]:
    """Yield path, mode and bytes of the files of the source in ``package`` that a build reads.

    Raises GuestError where ``package`` is not a package of a kernel's source, or is damaged; StorageError.
    """
    count = 0
    with (
        reading(package),
        package.open("rb") as file,
        _damage(package),
        _tarball(file, package) as packed,
        lzma.open(packed) as unpacked,
        tarfile.open(fileobj=unpacked, mode="r|", bufsize=1 << 20) as source,
    ):
        for member in source:
            path = member.name.removeprefix("./").partition("/")[2]
            content = source.extractfile(member) if member.isreg() and is_read(path) else None
            if content is not None:
                count += 1
                yield path, 0o755 if member.mode & 0o100 else 0o644, content.read()
    if not count:
        raise GuestError(f"{package.name} has no source of a kernel")


@contextmanager
def _tarball(file: IO[bytes], package: Path) -> Iterator[IO[bytes]]:
    """Open the source's own archive, which is a file of the package."""
    place = data_member(file)
    if place is not None:
        with tarfile.open(fileobj=_Part(file, *place), mode="r|*", bufsize=1 << 20) as installed:
            for member in installed:
                content = installed.extractfile(member) if _TARBALL.fullmatch(member.name) else None
                if content is not None:
                    yield content
                    return
    raise GuestError(f"{package.name} is not a package of a kernel's source", why="no usr/src/linux-source-*.tar.xz")


@contextmanager
def _damage(package: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise GuestError(f"{package.name} is damaged", why=str(error)) from error


class _Part(io.RawIOBase):
    """``size`` bytes of ``file`` from ``start``, for reading in order."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file = file
        self._left = size
        file.seek(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)[: self._left]  # type: ignore[arg-type]
        data = self._file.read(len(view))
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)

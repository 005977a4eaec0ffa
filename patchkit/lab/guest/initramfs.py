"""An initramfs: files as the kernel unpacks them at boot (cpio, "newc"; Documentation/driver-api/early-userspace)."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class InitramfsFile:
    """A regular file, a folder, a symbolic link or a device, by ``mode``; ``data`` is the content or the target."""

    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)
    """A device's major and minor number: see devices.txt of the kernel's documentation."""


def regular(data: bytes, *, executable: bool = False) -> InitramfsFile:
    """Describe a regular file with the content ``data``."""
    return InitramfsFile(stat.S_IFREG | (0o755 if executable else 0o644), data)


def link(target: str) -> InitramfsFile:
    """Describe a symbolic link to ``target``."""
    return InitramfsFile(stat.S_IFLNK | 0o777, target.encode())


def folder() -> InitramfsFile:
    """Describe a folder."""
    return InitramfsFile(stat.S_IFDIR | 0o755)


def character_device(major: int, minor: int) -> InitramfsFile:
    """Describe a character device that every user may read and write."""
    return InitramfsFile(stat.S_IFCHR | 0o666, device=(major, minor))


def archive(files: Mapping[str, InitramfsFile]) -> bytes:
    """Write ``files``, by path without a leading slash, and the folders above them. Same files, same bytes."""
    entries = dict(files)
    for path in files:
        for number, letter in enumerate(path):
            if letter == "/":
                entries.setdefault(path[:number], folder())
    out = bytearray()
    for inode, path in enumerate(sorted(entries), start=1):
        _append(out, inode, path, entries[path])
    _append(out, 0, "TRAILER!!!", InitramfsFile(0))
    # The kernel takes several archives in a row, each on a boundary of four bytes; and does not pad them.
    out += bytes(-len(out) % 512)
    return bytes(out)


def _append(out: bytearray, inode: int, path: str, file: InitramfsFile) -> None:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(file.mode) else 1
    fields = (inode, file.mode, 0, 0, links, 0, len(file.data), 0, 0, *file.device, len(name), 0)
    out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
    out += bytes(-len(out) % 4)
    out += file.data
    out += bytes(-len(out) % 4)

"""The files of the guest's packages, and which of them a program needs."""

from __future__ import annotations

import io
import posixpath
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from patchkit.errors import GuestError
from patchkit.lab.guest.initramfs import InitramfsFile, link
from patchkit.lab.guest.packages import members

LIBRARIES = "usr/lib/x86_64-linux-gnu/"
LOADER = "usr/lib64/ld-linux-x86-64.so.2"
MERGED = {name: link(f"usr/{name}") for name in ("bin", "sbin", "lib", "lib64")}
"""The links of a merged /usr."""


@dataclass(frozen=True)
class Userland:
    """Files and symbolic links by path, without a leading slash."""

    files: Mapping[str, InitramfsFile]

    @classmethod
    def unpacked(cls, debs: Iterable[Path]) -> Userland:
        """Unpack the packages ``debs``. Raises GuestError where one is damaged."""
        files: dict[str, InitramfsFile] = {}
        for deb in debs:
            for member, data in members(deb):
                add_member(files, member.name, member.mode, data, link_to=member.linkname if member.issym() else None,
                           folder=member.isdir())  # fmt: skip
        return cls(files)

    def programs(self, *paths: str) -> dict[str, InitramfsFile]:
        """Return the files at ``paths``, and the libraries they need.

        Raises GuestError where no package has one of ``paths``.
        """
        chosen: dict[str, InitramfsFile] = {}
        for path in paths:
            if path not in self.files:
                raise GuestError(f"the guest's packages have no {path}")
            self._add(path, chosen)
        return chosen

    def libraries(self, program: bytes) -> dict[str, InitramfsFile]:
        """Return the libraries that ``program``, an ELF file, needs. A library that no package has is left out."""
        chosen: dict[str, InitramfsFile] = {}
        self._add_needed(program, chosen)
        return chosen

    def below(self, folder: str) -> dict[str, InitramfsFile]:
        """Return the files below ``folder``."""
        return {path: file for path, file in self.files.items() if path.startswith(folder)}

    def _add(self, path: str, chosen: dict[str, InitramfsFile]) -> None:
        if path in chosen or path not in self.files:
            return
        file = self.files[path]
        chosen[path] = file
        if stat.S_ISLNK(file.mode):
            target = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), file.data.decode()))
            self._add(target.removeprefix("/"), chosen)
        elif file.data.startswith(b"\x7fELF"):
            self._add_needed(file.data, chosen)

    def _add_needed(self, program: bytes, chosen: dict[str, InitramfsFile]) -> None:
        for name in _needed(program):
            self._add(f"{LIBRARIES}{name}", chosen)


def add_member(
    files: dict[str, InitramfsFile], name: str, mode: int, data: bytes, *, link_to: str | None, folder: bool
) -> None:
    """Add a package's member to ``files``. Some packages still install below /lib, which is a link to /usr/lib."""
    path = name.removeprefix("./").rstrip("/")
    if path.partition("/")[0] in MERGED:
        path = f"usr/{path}"
    if link_to is not None:
        files[path] = link(link_to)
    elif not folder and path:
        files[path] = InitramfsFile(stat.S_IFREG | mode & 0o777, data)


def _needed(program: bytes) -> list[str]:
    """Read the names of the libraries that ``program`` needs from its dynamic section."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.dynamic import DynamicSection
    from elftools.elf.elffile import ELFFile

    try:
        section = ELFFile(io.BytesIO(program)).get_section_by_name(".dynamic")
    except ELFError:
        return []
    if not isinstance(section, DynamicSection):
        return []
    return [tag.needed for tag in section.iter_tags() if tag.entry.d_tag == "DT_NEEDED"]  # type: ignore[attr-defined]

"""Read from an ELF program what it needs of the system: shared libraries, and how new a glibc."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO

from packaging.version import Version as Pep440

from patchkit.errors import CompileError

_GLIBC = re.compile(r"GLIBC_(\d+(?:\.\d+)+)")


@dataclass(frozen=True)
class Linkage:
    """What a program needs of the system that runs it."""

    needed: tuple[str, ...]
    """DT_NEEDED, sorted: the names of shared libraries."""
    executable_stack: bool
    """Whether the program asks for a stack that code can run on; one old object file in it suffices for that."""
    glibc: str | None
    """The newest version of glibc that a symbol needs; the program does not start with an older one."""


def linkage(program: bytes) -> Linkage:
    """Read what the ELF file ``program`` is linked with. Raises ValueError where it is not an ELF file."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.constants import P_FLAGS
    from elftools.elf.dynamic import DynamicSection
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVerNeedSection

    try:
        needed, versions = [], set()
        elf = ELFFile(BytesIO(program))
        stacks = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_GNU_STACK"]
        executable = any(segment["p_flags"] & P_FLAGS.PF_X for segment in stacks) or not stacks
        for section in elf.iter_sections():
            if isinstance(section, DynamicSection):
                needed += [str(vars(tag)["needed"]) for tag in section.iter_tags() if tag.entry.d_tag == "DT_NEEDED"]
            elif isinstance(section, GNUVerNeedSection):
                names = [version.name for _, library in section.iter_versions() for version in library]
                versions |= {match[1] for name in names if (match := _GLIBC.fullmatch(name))}
    except ELFError as error:
        raise ValueError(str(error)) from error
    return Linkage(tuple(sorted(needed)), executable, max(versions, key=Pep440, default=None))


def check_static(program: bytes) -> None:
    """Check that the kernel alone starts the ELF file ``program``, wherever it puts it in memory.

    Raises CompileError for a program that loads a library, needs a loader, has relocations for one, or is not
    position-independent; ValueError where it is not an ELF file.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        kind = ELFFile(BytesIO(program))["e_type"]
    except ELFError as error:
        raise ValueError(str(error)) from error
    needed, loader = linkage(program).needed, interpreter(program)
    if needed or loader:
        raise CompileError(
            "the program is not static",
            why=f"it loads {', '.join(needed)}" if needed else f"it asks for the loader {loader}",
        )
    if kind != "ET_DYN":
        raise CompileError("the program would lie at a fixed address", why="it was not linked with -pie")


def interpreter(program: bytes) -> str:
    """Return the path of the loader that the ELF file ``program`` asks for; empty where it is static.

    Raises ValueError where it is not an ELF file.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        names = [segment.data() for segment in ELFFile(BytesIO(program)).iter_segments("PT_INTERP")]
    except ELFError as error:
        raise ValueError(str(error)) from error
    return names[0].rstrip(b"\0").decode() if names else ""

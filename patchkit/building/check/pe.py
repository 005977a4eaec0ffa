"""Read from a Windows program's headers what it imports and which protections its loader may apply."""

from __future__ import annotations

import re
from dataclasses import dataclass

from patchkit.building.check.elf import Linkage
from patchkit.building.toolchain_table import Target
from patchkit.errors import CompileError

# IMAGE_FILE_HEADER.Machine, and IMAGE_OPTIONAL_HEADER.DllCharacteristics: the PE format's own names and values.
_MACHINES = {0x8664: "windows-amd64", 0x014C: "windows-i686"}
_HIGH_ENTROPY_VA, _DYNAMIC_BASE, _NX_COMPAT = 0x0020, 0x0040, 0x0100
_PE32_PLUS = 0x20B
# Libraries that every Windows since Vista has. Any other, such as a compiler's runtime, would have to be shipped.
_OF_WINDOWS = re.compile(
    r"(advapi32|bcrypt|comctl32|comdlg32|crypt32|dnsapi|fwpuclnt|gdi32|iphlpapi|kernel32|mpr|msi|msvcrt|ncrypt|netapi32"
    r"|newdev|ntdll|ole32|oleaut32|rpcrt4|secur32|setupapi|shell32|shlwapi|user32|userenv|version|wininet|winmm|winspool"
    r"|ws2_32|wsock32|wtsapi32|api-ms-win-[a-z0-9-]+)\.(dll|drv)",
    re.ASCII,
)


@dataclass(frozen=True)
class Executable:
    """What a PE file's headers say."""

    target: str | None
    """The target whose programs have this machine type; None for an unknown one."""
    needed: tuple[str, ...]
    """The libraries that the program imports from, sorted, in small letters."""
    lacking: tuple[str, ...]
    """Protections that the program does not ask for, of those that its machine type can have."""
    time_stamp: int
    """The header's time stamp, in seconds since 1970."""


def executable(program: bytes) -> Executable:
    """Read the headers of the PE file ``program``. Raises ValueError where it is not a PE file."""
    import pefile

    try:
        with pefile.PE(data=program, fast_load=True) as pe:
            pe.parse_data_directories(directories=[pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_IMPORT"]])
            flags = pe.OPTIONAL_HEADER.DllCharacteristics
            moves = bool(pe.OPTIONAL_HEADER.DATA_DIRECTORY[5].Size)  # base relocations: without them nothing moves
            wide = pe.OPTIONAL_HEADER.Magic == _PE32_PLUS
            protections = {
                "ASLR": bool(flags & _DYNAMIC_BASE) and moves,
                "DEP": bool(flags & _NX_COMPAT),
                "high-entropy ASLR": bool(flags & _HIGH_ENTROPY_VA) or not wide,
            }
            imports = getattr(pe, "DIRECTORY_ENTRY_IMPORT", [])
            return Executable(
                target=_MACHINES.get(pe.FILE_HEADER.Machine),
                needed=tuple(sorted({entry.dll.decode("ascii", "replace").lower() for entry in imports})),
                lacking=tuple(name for name, requested in protections.items() if not requested),
                time_stamp=pe.FILE_HEADER.TimeDateStamp,
            )
    except (pefile.PEFormatError, AttributeError) as error:
        raise ValueError(str(error)) from error


def check(name: str, program: bytes, target: Target, *, epoch: int, shipped: frozenset[str] = frozenset()) -> Linkage:
    """Check the Windows program ``name`` and return what it needs.

    ``epoch`` is the SOURCE_DATE_EPOCH of the build, which strip writes into the header where the linker wrote nothing.
    ``shipped`` are libraries that are shipped with the program, in small letters. Raises CompileError for a program of
    another target, one that does not start on every Windows, lacks a protection or holds the time of its build.
    """
    try:
        headers = executable(program)
    except ValueError as error:
        raise CompileError(f"{name} is not a Windows program", why=str(error)) from error
    if headers.target != target.name:
        raise CompileError(f"{name} is of another kind than {target.name}", why=f"its header says {headers.target}")
    foreign = [dll for dll in headers.needed if dll not in shipped and not _OF_WINDOWS.fullmatch(dll)]
    if foreign:
        raise CompileError(f"{name} needs {', '.join(foreign)}", why="Windows does not have it, and it is not shipped")
    # A library that holds only texts has no code that could be moved.
    if headers.lacking and headers.needed:
        raise CompileError(f"{name} lacks {', '.join(headers.lacking)}", why="its header does not ask for it")
    if headers.time_stamp not in (0, epoch):
        raise CompileError(f"{name} holds the time of its build", why="two builds would not be the same to the byte")
    return Linkage(headers.needed, executable_stack=False, glibc=None)

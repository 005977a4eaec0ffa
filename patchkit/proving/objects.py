"""An ELF object file as values that can be compared: sections by name, with everything they refer to spelled out.

Objects are compiled with ``-ffunction-sections -fdata-sections``, so a section is one function or one variable.
What a compiler numbers (``.LC3``, ``buf.7``) and where a string happens to lie in its table differ without
meaning anything, so a reference to a string is replaced by the string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

_ALLOC, _MERGE, _STRINGS = 0x2, 0x10, 0x20  # section flags of the System V ABI, chapter 4
_CODE = ("", ".unlikely", ".startup", ".exit", ".hot", ".cold")
_NOT_OURS = (".note", ".comment", ".eh_frame")
"""What the compiler says of itself, and unwinding tables, which follow from the code."""
_NUMBERED = re.compile(r"\.\d+")  # GCC's names for local variables: __func__.3, buf.12.part.0


@dataclass(frozen=True)
class Reference:
    """One relocation: at which byte, of which kind, to what."""

    offset: int
    kind: int
    """The machine's relocation type; its number says all that a comparison wants."""
    target: str
    addend: int


@dataclass(frozen=True)
class Piece:
    """One section: the code of a function, or a variable."""

    content: bytes
    references: tuple[Reference, ...]
    size: int
    """Bytes in memory; a variable without content has some too."""


@dataclass(frozen=True)
class Object:
    """One object file."""

    pieces: Mapping[str, Piece]
    """By section name, without the compiler's numbers."""
    owners: Mapping[str, str]
    """The function that a section belongs to, for code and for what belongs to code, such as jump tables."""
    symbols: frozenset[tuple[str, str, str, int]]
    """Name, binding, type and size of everything that other files can see."""
    strings: tuple[bytes, ...]
    """All string literals and merged constants, sorted."""


def read(data: bytes) -> Object:
    """Read one object file. Raises ValueError for what is none."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        return _Reader(ELFFile(BytesIO(data))).read()
    except ELFError as error:
        raise ValueError(f"not an ELF object: {error}") from error


class _Reader:
    def __init__(self, elf: ELFFile) -> None:
        self._elf = elf

    @cached_property
    def _sections(self) -> list[Any]:
        return list(self._elf.iter_sections())

    @cached_property
    def _symbols(self) -> list[Any]:
        table: Any = self._elf.get_section_by_name(".symtab")
        return list(table.iter_symbols()) if table is not None else []

    def read(self) -> Object:
        relocations = {
            section["sh_info"]: section for section in self._sections if section["sh_type"] in ("SHT_RELA", "SHT_REL")
        }
        pieces: dict[str, Piece] = {}
        strings: list[bytes] = []
        for index, section in enumerate(self._sections):
            if not section["sh_flags"] & _ALLOC or section.name.startswith(_NOT_OURS):
                continue
            if section["sh_flags"] & _MERGE:
                strings += self._merged(section)
            elif section["sh_size"]:
                content = b"" if section["sh_type"] == "SHT_NOBITS" else bytes(section.data())
                references = tuple(self._references(relocations[index])) if index in relocations else ()
                pieces[_unused(_plain(section.name), pieces)] = Piece(content, references, section["sh_size"])
        return Object(pieces, self._owners(pieces), self._visible(), tuple(sorted(strings)))

    def _merged(self, section: Any) -> Iterator[bytes]:
        data, size = bytes(section.data()), section["sh_entsize"] or 1
        if section["sh_flags"] & _STRINGS and size == 1:
            yield from data.split(b"\0")[:-1]
        else:
            yield from (data[at : at + size] for at in range(0, len(data), size))

    def _references(self, table: Any) -> Iterator[Reference]:
        found = (
            Reference(
                entry["r_offset"],
                entry["r_info_type"],
                self._target(self._symbols[entry["r_info_sym"]]),
                entry["r_addend"] if table.is_RELA() else 0,  # otherwise it stands in the content
            )
            for entry in table.iter_relocations()
        )
        yield from sorted(found, key=lambda one: (one.offset, one.kind))

    def _target(self, symbol: Any) -> str:
        index = symbol["st_shndx"]
        if not isinstance(index, int):
            return str(symbol.name)  # defined elsewhere
        section = self._sections[index]
        if section["sh_flags"] & _MERGE:
            return f"constant {self._constant(section, symbol['st_value'])!r}"
        if symbol.name and not symbol.name.startswith(".L"):
            return _plain(symbol.name)
        at = symbol["st_value"]
        return _plain(section.name) + (f"+{at}" if at else "")

    def _constant(self, section: Any, at: int) -> bytes:
        data = bytes(section.data())
        if section["sh_flags"] & _STRINGS:
            return data[at : data.index(b"\0", at)]
        return data[at : at + (section["sh_entsize"] or 1)]

    def _owners(self, pieces: Mapping[str, Piece]) -> dict[str, str]:
        functions = {
            _plain(symbol.name).partition(".")[0]
            for symbol in self._symbols
            if symbol["st_info"]["type"] == "STT_FUNC" and isinstance(symbol["st_shndx"], int)
        }
        owners = {}
        for name in pieces:
            for prefix in (*(f".text{kind}." for kind in _CODE), ".rodata.", ".data.rel.ro.local."):
                function = name.removeprefix(prefix).partition(".")[0]
                if name.startswith(prefix) and function in functions:
                    owners[name] = function
        return owners

    def _visible(self) -> frozenset[tuple[str, str, str, int]]:
        return frozenset(
            (symbol.name, symbol["st_info"]["bind"], symbol["st_info"]["type"], symbol["st_size"])
            for symbol in self._symbols
            if symbol["st_info"]["bind"] != "STB_LOCAL" and isinstance(symbol["st_shndx"], int)
        )


def _plain(name: str) -> str:
    return _NUMBERED.sub("", name)


def _unused(name: str, taken: Mapping[str, object]) -> str:
    """Two variables of one name in two functions have numbers for names; without them, the order tells them apart."""
    count = sum(other == name or other.startswith(f"{name}#") for other in taken)
    return f"{name}#{count + 1}" if count else name

"""An ELF object file as values that can be compared: sections by name, with everything they refer to spelled out.

Objects are compiled with ``-ffunction-sections -fdata-sections``, so a section is one function or one variable.
Where a string happens to lie in its table means nothing, so a reference to a string is replaced by the string. Nor do
a compiler's numbers (``buf.7``) for the variables inside of functions: these are named after what refers to them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

_ALLOC, _MERGE, _STRINGS = 0x2, 0x10, 0x20  # section flags of the System V ABI, chapter 4
_NOT_OURS = (".note.gnu.property", ".note.GNU-stack", ".comment", ".eh_frame")
"""Sections with the compiler's version and notes, and unwinding tables, which follow from the code."""
_NUMBERED = re.compile(r"\.\d+")  # GCC's names for local variables: __func__.3, buf.12.part.0
_ABSOLUTE = {"EM_X86_64": (1, 10, 11), "EM_386": (1, 9)}
"""Relocation types whose addend is a place in the target, and not from where the processor happens to be."""


@dataclass(frozen=True)
class Reference:
    """One relocation: at which byte, of which kind, to what."""

    offset: int
    kind: int
    """The number of the machine's relocation type."""
    target: str
    addend: int


@dataclass(frozen=True)
class Piece:
    """One section: the code of a function, or a variable."""

    content: bytes
    references: tuple[Reference, ...]
    size: int
    """Bytes in memory; more than 0 for a variable without content too."""
    nature: tuple[str, int, int]
    """The section's type, its flags (such as writable and executable) and its alignment."""


@dataclass(frozen=True)
class Symbol:
    """One function or variable that other files can see."""

    name: str
    binding: str
    kind: str
    visibility: str
    place: str
    """The piece that the symbol names, and the offset in the piece."""
    size: int


@dataclass(frozen=True)
class Object:
    """One object file."""

    pieces: Mapping[str, Piece]
    """By section name; a variable inside of a function is ``.bss.buf of .text.function``."""
    owners: Mapping[str, str]
    """The function that a section belongs to, for code and for what belongs to code: jump tables, static variables
    inside of it."""
    symbols: frozenset[Symbol]
    """Everything that other files can see."""

    @property
    def functions(self) -> set[str]:
        """All functions that have code here."""
        return set(self.owners.values())


def read(data: bytes) -> Object:
    """Read ``data``, one object file. Raises ValueError when it is not an ELF object, or is broken."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        return _Reader(ELFFile(BytesIO(data)), len(data)).read()
    except ValueError:
        raise
    except ELFError as error:
        raise ValueError(f"not an ELF object: {error}") from error
    except Exception as error:  # pyelftools checks little of what it reads, and trips over the rest
        raise ValueError(f"a broken ELF object: {type(error).__name__}: {error}") from error


class _Reader:
    def __init__(self, elf: ELFFile, size: int) -> None:
        self._elf = elf
        self._size = size

    @cached_property
    def _sections(self) -> list[Any]:
        return list(self._elf.iter_sections())

    @cached_property
    def _symbols(self) -> list[Any]:
        # Not get_section_by_name, which reads all sections once more.
        table = next((section for section in self._sections if section.name == ".symtab"), None)
        return list(table.iter_symbols()) if table is not None else []

    @cached_property
    def _defined(self) -> Mapping[int, list[Any]]:
        """The named symbols of each section."""
        by_section: dict[int, list[Any]] = defaultdict(list)
        for symbol in self._symbols:
            if isinstance(symbol["st_shndx"], int) and symbol.name and symbol["st_info"]["type"] != "STT_SECTION":
                by_section[symbol["st_shndx"]].append(symbol)
        return by_section

    @cached_property
    def _relocations(self) -> Mapping[int, list[Any]]:
        """The relocations of each section, in order."""
        return {
            section["sh_info"]: sorted(
                section.iter_relocations(), key=lambda entry: (entry["r_offset"], entry["r_info_type"])
            )
            for section in self._sections
            if section["sh_type"] in ("SHT_RELA", "SHT_REL")
        }

    def read(self) -> Object:
        self._check()
        pieces = {self._names[index]: self._piece(index) for index in self._indices if self._data_size(index)}
        return Object(pieces, self._owners(pieces), frozenset(self._visible()))

    def _check(self) -> None:
        """Refuse a file that would be read only in part, or without end."""
        if self._elf["e_type"] != "ET_REL":
            raise ValueError(f"not an ELF object but {self._elf['e_type']}")
        if self._elf.num_sections() * self._elf["e_shentsize"] > self._size:
            raise ValueError("a broken ELF object: more sections than it has room for")
        for section in self._sections:
            end = section["sh_offset"] + section["sh_size"]
            if section["sh_type"] not in ("SHT_NOBITS", "SHT_NULL") and end > self._size:
                raise ValueError(f"a broken ELF object: {section.name} ends at {end}, the file at {self._size}")

    @cached_property
    def _indices(self) -> list[int]:
        """The sections that are code or variables."""
        return [
            index
            for index, section in enumerate(self._sections)
            if section["sh_flags"] & _ALLOC and not section["sh_flags"] & _MERGE and section.name not in _NOT_OURS
        ]

    def _data_size(self, index: int) -> int:
        return int(self._sections[index]["sh_size"])

    @cached_property
    def _names(self) -> Mapping[int, str]:
        """The names of the sections here: their own, or made from the first section that refers to them."""
        numbered = {index: name for index in self._indices if (name := self._without_number(index))}
        names: dict[int, str] = {}
        count: Counter[str] = Counter()

        def call(index: int, name: str, behind: str = "") -> None:
            count[name + behind] += 1
            number = count[name + behind]
            names[index] = name + (f" ({number})" if number > 1 else "") + behind

        for index in self._indices:
            if index not in numbered:
                call(index, self._sections[index].name)
        waiting = sorted(names, key=names.__getitem__)
        left = sorted(
            numbered.keys(), key=lambda index: (numbered[index], self._content(index), self._data_size(index))
        )
        while waiting or left:
            if not waiting:  # nothing refers to this one
                index = left.pop(0)
                if index in names:
                    continue
                call(index, numbered[index])
                waiting.append(index)
            parent = waiting.pop(0)
            for entry in self._relocations.get(parent, ()):
                index = self._symbols[entry["r_info_sym"]]["st_shndx"]
                if index in numbered and index not in names:
                    call(index, numbered[index], f" of {names[parent]}")
                    waiting.append(index)
        return names

    def _without_number(self, index: int) -> str | None:
        """The name of a section that is one local variable with a number."""
        name = self._sections[index].name
        for symbol in self._defined.get(index, ()):
            if symbol["st_info"]["type"] in ("STT_OBJECT", "STT_TLS") and _is_local(symbol):
                plain = _NUMBERED.sub("", symbol.name)
                if plain != symbol.name and name.endswith("." + symbol.name):
                    return str(name.removesuffix(symbol.name) + plain)
        return None

    def _content(self, index: int) -> bytes:
        section = self._sections[index]
        return b"" if section["sh_type"] == "SHT_NOBITS" else bytes(section.data())

    def _piece(self, index: int) -> Piece:
        section, content = self._sections[index], bytearray(self._content(index))
        # The references first: reading them removes from the content what only shows where a string lies.
        references = tuple(self._reference(entry, content) for entry in self._relocations.get(index, ()))
        nature = (str(section["sh_type"]), section["sh_flags"], section["sh_addralign"])
        return Piece(bytes(content), references, section["sh_size"], nature)

    def _reference(self, entry: Any, content: bytearray) -> Reference:
        symbol = self._symbols[entry["r_info_sym"]]
        at, kind, addend = entry["r_offset"], entry["r_info_type"], entry["r_addend"] if entry.is_RELA() else 0
        place = symbol["st_shndx"]
        if not isinstance(place, int):
            return Reference(at, kind, self._elsewhere(symbol), addend)
        section = self._sections[place]
        if section["sh_flags"] & _MERGE:
            start = symbol["st_value"]
            if symbol["st_info"]["type"] == "STT_SECTION":
                if kind not in _ABSOLUTE.get(self._elf["e_machine"], ()):
                    return Reference(at, kind, f"one of {bytes(section.data())!r}", addend)
                if not entry.is_RELA():
                    addend = int.from_bytes(content[at : at + 4], "little", signed=True)
                    content[at : at + 4] = bytes(4)
                start, addend = start + addend, 0
            return Reference(at, kind, f"constant {_constant(section, start)!r}", addend)
        if not _is_local(symbol):
            return Reference(at, kind, symbol.name, addend)
        start = symbol["st_value"]
        return Reference(at, kind, self._names.get(place, section.name) + (f"+{start}" if start else ""), addend)

    def _elsewhere(self, symbol: Any) -> str:
        """A symbol that is defined in another file, or common to several, or a number."""
        place, visibility = symbol["st_shndx"], symbol["st_other"]["visibility"]
        words = [symbol.name]
        words += [symbol["st_value"]] if place != "SHN_UNDEF" else []
        words += ["weak"] if symbol["st_info"]["bind"] == "STB_WEAK" else []
        words += [visibility] if visibility != "STV_DEFAULT" else []
        return " ".join(map(str, words))

    def _owners(self, pieces: Mapping[str, Piece]) -> dict[str, str]:
        functions: dict[int, set[str]] = {
            index: {symbol.name.partition(".")[0] for symbol in symbols if symbol["st_info"]["type"] == "STT_FUNC"}
            for index, symbols in self._defined.items()
        }
        every = set().union(*functions.values())
        owners: dict[str, str] = {}
        for index in self._indices:
            last = self._sections[index].name.rpartition(".")[2]
            inside = functions.get(index, set())
            if last in inside or (last in every and not self._defined.get(index)):  # its code, or a jump table
                owners[self._names[index]] = last
            elif len(inside) == 1:  # f.constprop.0, or a section with a name of its own
                owners[self._names[index]] = next(iter(inside))
        self._own_variables(owners, pieces)
        return {name: owner for name, owner in owners.items() if name in pieces}

    def _own_variables(self, owners: dict[str, str], pieces: Mapping[str, Piece]) -> None:
        """Add the numbered variables that only one function refers to."""
        referring: dict[str, set[str | None]] = defaultdict(set)
        for name in sorted(pieces, key=lambda name: name.count(" of ")):  # what refers to it comes first
            if " of " in name and len(referring[name]) == 1 and (owner := referring[name].pop()) is not None:
                owners[name] = owner
            for reference in pieces[name].references:
                referring[reference.target.partition("+")[0]].add(owners.get(name))

    def _visible(self) -> Iterator[Symbol]:
        for symbol in self._symbols:
            place, info = symbol["st_shndx"], symbol["st_info"]
            if _is_local(symbol) or place == "SHN_UNDEF":
                continue
            at = self._names.get(place, self._sections[place].name) if isinstance(place, int) else str(place)
            where = f"{at}+{symbol['st_value']}"
            yield Symbol(
                symbol.name, info["bind"], info["type"], symbol["st_other"]["visibility"], where, symbol["st_size"]
            )


def _is_local(symbol: Any) -> bool:
    return bool(symbol["st_info"]["bind"] == "STB_LOCAL")


def _constant(section: Any, at: int) -> bytes:
    """A string without its end, or a number."""
    data, unit = bytes(section.data()), section["sh_entsize"] or 1
    if not 0 <= at < len(data):
        raise ValueError(f"a broken ELF object: {section.name} has no byte {at}")
    if not section["sh_flags"] & _STRINGS:
        return data[at : at + unit]
    end = at
    while data[end : end + unit].strip(b"\0"):
        end += unit
    return data[at:end]

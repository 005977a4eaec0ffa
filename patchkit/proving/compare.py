"""What differs between two objects made from one source, and whether it may."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from patchkit.proving.elf_object import Object, Symbol

Kind = Literal["changed", "added", "removed"]


@dataclass(frozen=True)
class Difference:
    """One function or variable that is not the same in both objects."""

    source: str
    name: str
    """The function, or the section of a variable."""
    kind: Kind
    before: int
    """Bytes; 0 where it is not there."""
    after: int


def differences(source: str, before: Object, after: Object) -> list[Difference]:
    """All functions and variables of one source that differ, by name."""
    unequal = {
        one.owners.get(name, name)
        for name in before.pieces.keys() | after.pieces.keys()
        if before.pieces.get(name) != after.pieces.get(name)
        for one in (before, after)
        if name in one.pieces
    }
    found = []
    for owner in sorted(unequal):
        sizes = [
            sum(piece.size for name, piece in one.pieces.items() if one.owners.get(name, name) == owner)
            for one in (before, after)
        ]
        kind: Kind = "changed" if all(sizes) else "added" if sizes[1] else "removed"
        found.append(Difference(source, owner, kind, *sizes))
    return found


def visible_differences(
    before: Object, after: Object, allowed: Collection[str], added: Collection[str] = ()
) -> list[str]:
    """Symbols that other files can see and that differ in more than the size of an allowed function. Ordinary new
    functions may be those in ``added``."""

    def seen(one: Object) -> set[Symbol]:
        return {replace(symbol, size=0) if symbol.name in allowed else symbol for symbol in one.symbols}

    known = {symbol.name for symbol in before.symbols}
    return sorted(
        {
            symbol.name
            for symbol in seen(before) ^ seen(after)
            if symbol.name not in added or symbol.name in known or not _is_ordinary(symbol)
        }
    )


def _is_ordinary(symbol: Symbol) -> bool:
    """Whether it is the one name of one function, as any compiler gives it to one without attributes."""
    said = (symbol.binding, symbol.kind, symbol.visibility, symbol.place)
    return said == ("STB_GLOBAL", "STT_FUNC", "STV_DEFAULT", f".text.{symbol.name}+0")

"""Compare two objects made from one source: what differs, and which visible symbols."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from patchkit.proving.elf_object import Object, Symbol

DifferenceKind = Literal["changed", "added", "removed"]


@dataclass(frozen=True)
class Difference:
    """One function or variable that is not the same in both objects."""

    source: str
    name: str
    """The function, or the section of a variable."""
    kind: DifferenceKind
    before: int
    """Bytes; 0 when it is not there."""
    after: int

    @property
    def place(self) -> tuple[str, str]:
        """The source and the name."""
        return self.source, self.name


def differences(source: str, before: Object, after: Object) -> list[Difference]:
    """Compare all functions and variables of ``source`` in two objects; those that differ, by name."""
    unequal = {
        form.owners.get(name, name)
        for name in before.pieces.keys() | after.pieces.keys()
        if before.pieces.get(name) != after.pieces.get(name)
        for form in (before, after)
        if name in form.pieces
    }
    differing = []
    for owner in sorted(unequal):
        sizes = [_size(form, owner) for form in (before, after)]
        kind: DifferenceKind = "changed" if all(sizes) else "added" if sizes[1] else "removed"
        differing.append(Difference(source, owner, kind, *sizes))
    return differing


def _size(form: Object, owner: str) -> int:
    return sum(piece.size for name, piece in form.pieces.items() if form.owners.get(name, name) == owner)


def visible_differences(
    before: Object, after: Object, allowed: Collection[str], added: Collection[str] = ()
) -> list[str]:
    """Compare the symbols that other files can see: the names of those that differ in more than the size of a function
    in ``allowed``, and that are not ordinary new functions in ``added``.
    """

    def seen(form: Object) -> set[Symbol]:
        return {replace(symbol, size=0) if symbol.name in allowed else symbol for symbol in form.symbols}

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
    nature = (symbol.binding, symbol.kind, symbol.visibility, symbol.place)
    return nature == ("STB_GLOBAL", "STT_FUNC", "STV_DEFAULT", f".text.{symbol.name}+0")

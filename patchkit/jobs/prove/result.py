"""The result of a proof: what the object files show of a variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from patchkit.building.engine.protocol import Identity
from patchkit.proving.compare import Difference
from patchkit.source.tree.tree import Origin


@dataclass(frozen=True)
class Proof:
    """What the object files show."""

    release: str
    origin: Origin
    variant: str
    identity: Identity
    flags: Sequence[str]
    """The compiler flags as built; for the comparison, ``APART`` stands behind them."""
    sources: Sequence[str]
    """The sources that the variant changes."""
    reached: Sequence[str]
    """Other sources that include a header that the variant changes, and were compiled as well."""
    functions: int
    """How many functions all of these hold; an inline function counts in each."""
    same: int
    """How many of the functions do not differ."""
    changed: Sequence[Difference]
    """What the variant names, and what does differ. Where structs grow, this and all below is found by comparing
    with stock that has the new members, and sizes before are those."""
    strays: Sequence[Difference]
    """What differs and is not named by the variant: must be empty."""
    exposed: Sequence[str]
    """Symbols that other files can see and that differ: must be empty."""
    guard: bool
    """Whether the variant has a guarded form, which ``guard_off`` and ``guard_on`` are about."""
    guard_off: Sequence[str]
    """Sources whose object, with the guard off, is not stock's to the byte, and unchanged ones that the compiler
    would not see as in stock: must be empty."""
    guard_on: Sequence[str]
    """Likewise with the guard on, against the unguarded patch: must be empty."""
    renumbered: Sequence[Difference]
    """Functions that differ only because they hold the numbers of their own lines, which the patch moves."""
    structs: Sequence[str] = ()
    """The structs that get new members."""
    layout: Sequence[Difference] = ()
    """Functions that differ between stock and stock with these members, and no further: their text is the same."""
    inlines: Sequence[Difference] = ()
    """Stock's own inline functions, of headers, that a changed source is the first there to use."""
    unexplained: Sequence[str] = ()
    """What changes in declarations and is neither a named struct's member nor a function's: must be empty."""

    @property
    def failures(self) -> list[str]:
        """Why it is not proven; empty if it is."""
        failures = [
            f"{stray.name} in {stray.source} differs and is not named by {self.variant}" for stray in self.strays
        ]
        failures += [f"the symbol {name} differs" for name in self.exposed]
        failures += [f"not explained by what {self.variant} names: {line}" for line in self.unexplained]
        failures += [f"with the guard off, {source} is not compiled to what stock is" for source in self.guard_off]
        failures += [f"with the guard on, {source} is not compiled to what the patch is" for source in self.guard_on]
        return failures if self.changed else [f"{self.variant} changes no function at all", *failures]

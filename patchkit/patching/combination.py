"""What ``--variant`` names: one variant, or several in one source, written ``a+b``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from patchkit.errors import BadUsageError, ConflictError
from patchkit.patching.variants import Bound, Status, UpstreamStatus, Variant, variant
from patchkit.releases.version import Version, shown

# The combination is as good as its worst part.
_WORST_FIRST: tuple[Status, ...] = ("known-bad", "experimental", "faithful", "recommended")
_UPSTREAM_FIRST: tuple[UpstreamStatus, ...] = ("not-applicable", "superseded", "needed")


@dataclass(frozen=True)
class Combination:
    """One or more variants that go into one source, in their order."""

    parts: tuple[Variant, ...]

    @property
    def name(self) -> str:
        """``a+b``, in order: however it was typed, one combination has one name."""
        return "+".join(part.name for part in self.parts)

    @property
    def is_stock(self) -> bool:
        return all(part.is_stock for part in self.parts)

    def suffix(self, *, guard: bool) -> str:
        """What goes behind a version in names: nothing for stock, ``+retransmit``, ``+a+b.guard``."""
        return "" if self.is_stock else f"+{self.name}" + (".guard" if guard else "")

    @property
    def status(self) -> Status:
        """The worst of the parts'."""
        return min((part.status for part in self.parts), key=_WORST_FIRST.index)

    @property
    def bound(self) -> Bound | None:
        """What it promises not to exceed: what the one part promises that decides when packets are sent."""
        return next((part.bound for part in self.parts if part.bound is not None), None)

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions that change."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.functions))

    @property
    def touched(self) -> tuple[str, ...]:
        """The functions that change, and the new ones."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.touched))

    @property
    def structs(self) -> tuple[str, ...]:
        """The structs that get new members."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.structs))

    @property
    def added(self) -> tuple[str, ...]:
        """The functions that are new."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.added))

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the touched files."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.files))

    def upstream_status(self, version: Version) -> UpstreamStatus | None:
        """Not applicable if one part is; needed only if all parts are; None where the catalogue says nothing."""
        found = [one.status for part in self.parts if (one := part.upstream_of(version)) is not None]
        return min(found, key=_UPSTREAM_FIRST.index, default=None)

    @property
    def guard(self) -> bool:
        """Whether there is a guarded form of all parts."""
        return all(part.guard for part in self.parts)

    def check_guard(self) -> None:
        """Raise BadUsageError where a part has no guarded form."""
        without = [part.name for part in self.parts if not part.guard]
        if without:
            name = ", ".join(without)
            raise BadUsageError(f"the variant {name} has no guarded form", advice=f"leave --guard out for {name}")


@cache
def combination(text: str) -> Combination:
    """Read ``retransmit`` or ``a+b``.

    Raises UnknownVariantError, BadUsageError for ``a+a`` or ``stock+a``, and ConflictError for variants
    that exclude each other.
    """
    pieces = text.split("+")
    if len(pieces) > 1 and "" in pieces:
        raise BadUsageError(f"{shown(text)} does not name a combination", why="a + stands between two names: a+b")
    parts = sorted(map(variant, pieces), key=lambda part: (part.order, part.name))
    names = [part.name for part in parts]
    if len(set(names)) < len(names) or (len(parts) > 1 and any(part.is_stock for part in parts)):
        raise BadUsageError(
            f"{text} does not name a combination", why="a variant goes in once, and stock is the source without any"
        )
    for part in parts:
        against = [name for name in names if name in part.conflicts]
        if against:
            raise ConflictError(
                f"{part.name} and {', '.join(against)} can't be combined",
                why="they change the same place in different ways: " + f"patches/{part.name}/patch.toml says so",
                advice=f"--variant {part.name} --variant {against[0]} builds one of each",
            )
    return Combination(tuple(parts))

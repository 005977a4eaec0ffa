"""Combinations: what ``--variant`` names, one variant or several in one source, written ``a+b``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from patchkit.errors import BadUsageError, ConflictError
from patchkit.patching.variants import Bound, Status, UpstreamStatus, Variant, variant
from patchkit.releases.version import Version, shown

# A combination is as good as its worst part.
_WORST_FIRST: tuple[Status, ...] = ("known-bad", "experimental", "faithful", "recommended")
_UPSTREAM_FIRST: tuple[UpstreamStatus, ...] = ("not-applicable", "superseded", "needed")


@dataclass(frozen=True)
class Combination:
    """One or more variants that go into one source, in their order."""

    parts: tuple[Variant, ...]

    @property
    def stages(self) -> tuple[Combination, ...]:
        """The steps in which a source changes: templates that stand together are rendered for the same source, a
        user's diffs are applied to what the stage before has left.
        """
        runs = groupby(self.parts, lambda part: part.name if part.diffs is not None else None)
        return tuple(Combination(tuple(run)) for _, run in runs)

    @property
    def one_by_one(self) -> Combination:
        """The same, in which each of a user's diffs is a part: in a series of patches each keeps title and author."""
        return Combination(tuple(alone for part in self.parts for alone in part.alone))

    @property
    def has_diffs(self) -> bool:
        """Whether a part is made of a user's diffs."""
        return any(part.diffs is not None for part in self.parts)

    @property
    def own(self) -> tuple[Variant, ...]:
        """The parts that are a user's own."""
        return tuple(part for part in self.parts if part.is_own)

    @property
    def brought(self) -> frozenset[str]:
        """The paths of files that are new."""
        return frozenset(path for part in self.parts for path in part.brought)

    def touches(self, path: str) -> bool:
        """Return whether a part changes the file ``path``; one of the catalogue names files without their folder."""
        name = path.rpartition("/")[2]
        return any(path in part.files or (part.diffs is None and name in part.files) for part in self.parts)

    def obstructed_by(self, path: str) -> bool:
        """Return whether a file at ``path`` stands where a part needs a folder, or in a folder of a new file's path."""
        return any(
            brought.startswith(f"{path}/") or path.startswith(f"{brought}/") for brought in self.brought
        ) and not self.touches(path)

    @property
    def name(self) -> str:
        """The names of the parts in their order, ``a+b``: one combination has one name, however it was typed."""
        return "+".join(part.name for part in self.parts)

    @property
    def is_stock(self) -> bool:
        """Whether nothing is changed."""
        return all(part.is_stock for part in self.parts)

    def suffix(self, *, guard: bool) -> str:
        """Make what follows the version in file names: nothing for stock, ``+retransmit``, ``+a+b.guard``."""
        return "" if self.is_stock else f"+{self.name}" + (".guard" if guard else "")

    @property
    def status(self) -> Status:
        """The worst status of the parts."""
        return min((part.status for part in self.parts), key=_WORST_FIRST.index)

    @property
    def bound(self) -> Bound | None:
        """The limit that the one part promises that decides when packets are sent; None without such a part."""
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
        """Look up ``version``: not applicable if one part is, needed only if all parts are.

        None when no part has a range for the version.
        """
        ranges = [part.upstream_of(version) for part in self.parts]
        statuses = [upstream.status for upstream in ranges if upstream is not None]
        return min(statuses, key=_UPSTREAM_FIRST.index, default=None)

    @property
    def guard(self) -> bool:
        """Whether there is a guarded form of all parts."""
        return all(part.guard for part in self.parts)

    def check_guard(self) -> None:
        """Check that all parts have a guarded form. Raises BadUsageError when one has none."""
        without = [part.name for part in self.parts if not part.guard]
        if without:
            name = ", ".join(without)
            raise BadUsageError(f"the variant {name} has no guarded form", advice=f"leave --guard out for {name}")


@cache
def combination(text: str) -> Combination:
    """Read the combination that ``text`` names: ``retransmit`` or ``a+b``. A user's own parts stay where they stand.

    Raises UnknownVariantError when there is no such variant, BadUsageError for ``a+a`` or ``stock+a``, ConflictError
    when two variants exclude each other, and BadVariantError when a patch.toml is not valid.
    """
    pieces = text.split("+")
    if len(pieces) > 1 and "" in pieces:
        raise BadUsageError(f"{shown(text)} does not name a combination", why="a + stands between two names: a+b")
    parts = _in_order([variant(piece) for piece in pieces])
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
                why=f"they change the same place in different ways: patches/{part.name}/patch.toml lists the conflict",
                advice=f"--variant {part.name} --variant {against[0]} builds one of each",
            )
    return Combination(tuple(parts))


def _in_order(parts: Sequence[Variant]) -> list[Variant]:
    """Parts of the catalogue in their order; a user's own divide them."""
    ordered: list[Variant] = []
    for is_own, group in groupby(parts, lambda part: part.is_own):
        run = list(group)
        ordered += run if is_own else sorted(run, key=lambda part: (part.order, part.name))
    return ordered

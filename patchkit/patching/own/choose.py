"""Resolve what a command line names to variants: the one place where ``--variant`` and ``--patch`` meet."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.errors import BadUsageError
from patchkit.patching.own import load
from patchkit.patching.own.variant import BroughtVariant
from patchkit.patching.variants import STOCK, default_variant
from patchkit.printable import in_one_line
from patchkit.storage import expanded


class PatchBehind(str):
    """A path of ``--patch`` that stood behind ``--variant`` on the command line: it goes in behind."""

    __slots__ = ()


def chosen(variants: Sequence[str] | None, patches: Sequence[str] | None) -> list[str]:
    """Return the names of the combinations that ``--variant`` and ``--patch`` ask for, read and made known.

    Each variant gets all patches, in front of it or behind it as they were given; stock stays stock. Without another
    variant, the patches alone are one more. Empty where nothing is given. Raises what :mod:`load` raises.
    """
    names = [_resolved(text) for text in variants or ()]
    given = [(name, isinstance(text, PatchBehind)) for text, name in zip(patches or (), _patches(patches), strict=True)]
    if not given:
        return names
    front = [name for name, is_behind in given if not is_behind]
    behind = [name for name, is_behind in given if is_behind]
    with_patches = [name if name == STOCK else "+".join([*front, name, *behind]) for name in names]
    return with_patches if any(name != STOCK for name in names) else [*names, "+".join([*front, *behind])]


def named(variants: Sequence[str] | None, patches: Sequence[str] | None) -> list[str]:
    """Return the names of all that ``--variant`` and ``--patch`` give, read and made known, each by itself.

    Raises what :mod:`load` raises.
    """
    pieces = [piece for text in variants or () for piece in _resolved(text).split("+")]
    return list(dict.fromkeys([*pieces, *_patches(patches)]))


def one(variant: str | None, patches: Sequence[str] | None) -> str:
    """Return the name of the one combination that is asked for; the recommended variant where nothing is.

    Raises what :func:`chosen` raises.
    """
    names = chosen([variant] if variant is not None else None, patches)
    return names[-1] if names else default_variant()


def _patches(given: Sequence[str] | None) -> list[str]:
    """Read the patches, and return their names. Raises BadUsageError for one that is given twice."""
    read: dict[str, str] = {}
    names = []
    for text in given or ():
        own = load.patch(text)
        digest = own.digest if isinstance(own, BroughtVariant) else own.name
        if digest in read:
            same = f"{in_one_line(text)} and {in_one_line(read[digest])} are the same patch"
            raise BadUsageError(
                f"--patch {in_one_line(text)} is given twice" if read[digest] == text else same,
                why="a patch goes in once: the second time, the source would have it already",
                advice="leave one of them away",
            )
        read[digest] = text
        names.append(own.name)
    return names


def _resolved(text: str) -> str:
    """Read the folders among the pieces of ``a+./b``; a path may itself have a plus."""
    if load.is_path(text) and expanded(text).exists():
        return load.folder(text).name
    return "+".join(load.folder(piece).name if load.is_path(piece) else piece for piece in text.split("+"))

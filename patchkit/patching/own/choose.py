"""Resolve what a command line names to variants: the one place where ``--variant`` and ``--patch`` meet."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.patching.own import load
from patchkit.patching.variants import STOCK, default_variant
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
    given = [(load.patch(text).name, isinstance(text, PatchBehind)) for text in patches or ()]
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
    return list(dict.fromkeys([*pieces, *(load.patch(text).name for text in patches or ())]))


def one(variant: str | None, patches: Sequence[str] | None) -> str:
    """Return the name of the one combination that is asked for; the recommended variant where nothing is.

    Raises what :func:`chosen` raises.
    """
    names = chosen([variant] if variant is not None else None, patches)
    return names[-1] if names else default_variant()


def _resolved(text: str) -> str:
    """Read the folders among the pieces of ``a+./b``; a path may itself have a plus."""
    if load.is_path(text) and expanded(text).exists():
        return load.folder(text).name
    return "+".join(load.folder(piece).name if load.is_path(piece) else piece for piece in text.split("+"))

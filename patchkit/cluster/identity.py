"""Which patchkit this is, to the byte: two machines of a cluster work together where it is the same."""

from __future__ import annotations

import hashlib
from functools import cache

from patchkit import __version__, resources

Ability = str
"""``lab`` or ``build``: a kind of work that a worker can do."""
ABILITIES: tuple[Ability, ...] = ("lab", "build")


@cache
def identity() -> str:
    """Hash all of this package, ``patches/`` and ``docker/``; 16 hex digits."""
    digest = hashlib.sha256(__version__.encode())
    for name, data in resources.all_files():
        digest.update(b"%d %b %d %b" % (len(name), name.encode(), len(data), data))
    return digest.hexdigest()[:16]


def resource(ability: Ability) -> str:
    """Name Dask's resource of ``ability`` for this very patchkit: work for one never comes to another."""
    return f"patchkit-{ability}-{identity()}"

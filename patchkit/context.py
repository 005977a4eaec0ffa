"""The surroundings that every job gets: the cache, the terminal, and whether the network may be used."""

from __future__ import annotations

from dataclasses import dataclass

from patchkit.cache import Cache
from patchkit.ui import Ui


@dataclass(frozen=True)
class Context:
    """The surroundings of one run."""

    cache: Cache
    ui: Ui
    offline: bool = False
    """Whether only the cache and mirrors may be used, and no other network place (``--offline``)."""

    @classmethod
    def default(cls, *, offline: bool = False, verbose: bool = False) -> Context:
        """Return the user's cache and terminal. Raises StorageError where there is no home folder for the cache."""
        return cls(Cache.default(), Ui(verbose=verbose), offline)

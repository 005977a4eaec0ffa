"""Keep configure's results for the next tree that is configured in the same way.

Half of a build's wall time on one core is configure probing a system that has not changed. Autoconf's own
``config.cache`` holds the results; it is kept here under a hash of everything that they depend on. Since configure runs
that file as a script, it is kept only for a verified source, and only for that very source, with its hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from patchkit.building.engine.protocol import Identity
from patchkit.cache import Cache
from patchkit.source.tree.tree import Origin
from patchkit.storage import keep, kept

SUFFIX = ".cache"
"""The end of the names of kept answers."""


class ConfigureAnswers:
    """The kept results of one system and source, by options."""

    def __init__(self, cache: Cache, identity: Identity, origin: Origin) -> None:
        self._cache = cache
        self._identity = identity
        self._origin = origin

    def recall(self, options: Sequence[str]) -> bytes:
        """Return the config.cache kept for this system, source and ``options``; empty where none is, or it is damaged.

        Raises StorageError where it can't be read.
        """
        path = self._path(options)
        return (kept(path) or b"") if path is not None else b""

    def remember(self, options: Sequence[str], answers: bytes) -> None:
        """Keep ``answers``, a config.cache, unless the source is not verified or changes of the system would not show.

        Raises DiskFullError or StorageError.
        """
        path = self._path(options)
        if path is not None:
            keep(path, answers)

    def _path(self, options: Sequence[str]) -> Path | None:
        source = self._origin.sha256 or self._origin.tree
        if self._identity.system is None or source is None or not self._origin.verified:
            return None
        parts = (self._identity.digest, self._identity.system, source, *options)
        return self._cache.configure / f"{sha256(chr(0).join(parts).encode()).hexdigest()}{SUFFIX}"

"""What configure found out about a system, kept for the next tree that asks the same questions of it.

Half of a build's wall time on one core is configure probing a system that has not changed. Autoconf's own
``config.cache`` holds the answers; here it is filed under everything that they depend on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from patchkit.building.engine import Identity
from patchkit.source.cache import Cache, writing


class ConfigureAnswers:
    """Answers by system, configure script and options."""

    def __init__(self, cache: Cache, identity: Identity) -> None:
        self._cache = cache
        self._identity = identity

    def recall(self, script: bytes, options: Sequence[str]) -> bytes | None:
        """The config.cache of an earlier run that was the same in all that matters, if there was one."""
        path = self._path(script, options)
        return path.read_bytes() if path is not None and path.is_file() else None

    def remember(self, script: bytes, options: Sequence[str], answers: bytes) -> None:
        """Keep a config.cache, unless nothing vouches for the system staying as it is."""
        path = self._path(script, options)
        if path is not None:
            with writing(path):
                temporary = path.with_suffix(f".{os.getpid()}")
                temporary.write_bytes(answers)
                temporary.replace(path)

    def _path(self, script: bytes, options: Sequence[str]) -> Path | None:
        if self._identity.system is None:
            return None
        parts = (self._identity.digest, self._identity.system, sha256(script).hexdigest(), *options)
        return self._cache.folder("configure") / sha256("\0".join(parts).encode()).hexdigest()

"""Keep the stock program that variants are tried against, for the next build of the same source and toolchain.

A build of one variant needs stock for two of its handshakes only, and compiling it takes a third of the build. As with
configure's results, it is kept only for a verified source and for a system whose changes show.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from patchkit import resources
from patchkit.building.engine.protocol import Identity
from patchkit.building.recipe.static_library import CompiledLibrary
from patchkit.building.toolchain import Toolchain
from patchkit.cache import Cache, keep_newest
from patchkit.source.tree.tree import Origin
from patchkit.storage import keep, kept, sum_of

SUFFIX = ".program"
"""The end of the names of kept programs."""
_KEPT = 60  # files: programs of a megabyte, and as many hashes


class StockProgram:
    """The kept program of one system, source and toolchain."""

    def __init__(
        self, cache: Cache, identity: Identity, origin: Origin, tools: Toolchain, libraries: Sequence[CompiledLibrary]
    ) -> None:
        self._cache = cache
        source = origin.sha256 or origin.tree
        self._key = None
        if identity.system is not None and source is not None and origin.verified:
            parts = (
                resources.fingerprint(), identity.digest, identity.system, source, tools.model_dump_json(),
                *(library.key for library in libraries),
            )  # fmt: skip
            self._key = sha256(chr(0).join(parts).encode()).hexdigest()

    def recall(self) -> bytes | None:
        """Return the kept program; None where there is none, or it is damaged. Raises StorageError."""
        path = self._path
        return kept(path) if path is not None else None

    def remember(self, program: bytes) -> None:
        """Keep ``program``, and drop those that were used longest ago. Raises DiskFullError or StorageError."""
        path = self._path
        if path is not None:
            keep(path, program)
            for used in (sum_of(path), path):
                keep_newest(path.parent, _KEPT, used=used)

    @property
    def _path(self) -> Path | None:
        return None if self._key is None else self._cache.stock / f"{self._key}{SUFFIX}"

"""A program of each series, stock or with a variant, for tests of real processes; where its source is in reach."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from patchkit.building.settings import BuildSettings
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import NetworkUnavailableError, PlacesExhaustedError
from patchkit.jobs.lab.binaries import programs
from patchkit.lab.link.binaries import BinaryRequest
from patchkit.source.obtain import SourceRequest
from patchkit.ui import Ui
from tests.conftest import PINNED
from tests.support.jobs.builds import GIT

OPENSSL_102 = os.environ.get("PATCHKIT_OPENSSL_102")  # read at import, like GIT
POOL = {"2.6": PINNED, "2.7": "2.7.7"}
"""Releases by series that the pool serves; the others want upstream's history."""
RELEASES = {"2.2": "2.2.3", "2.3": "2.3.2", "2.4": "2.4.12", "2.5": "2.5.11", **POOL}
OLDER = {"2.1": "2.1.4"}
"""Not in RELEASES, whose pairs are many."""
OPENSSL_10 = {"2.1", "2.2", "2.3"}

ProgramOf = Callable[[str, str], Path]
"""By series and variant."""


def program_of_series(cache: Cache, folder: Path) -> ProgramOf:
    """Builds a variant when first asked, stock and recommended at once; skips where the source is not in reach."""
    paths: dict[tuple[str, str], Path] = {}

    def program(series: str, variant: str) -> Path:
        if (series, variant) not in paths:
            if series not in POOL and not GIT:
                pytest.skip("PATCHKIT_GIT is not set to a full clone of upstream")
            if series in OPENSSL_10 and not OPENSSL_102:
                pytest.skip("PATCHKIT_OPENSSL_102 is not set to a source of OpenSSL 1.0.2")
            sources = [OPENSSL_102] if series in OPENSSL_10 and OPENSSL_102 else []
            source = SourceRequest(git=None if series in POOL else GIT)
            # 2.7's own OpenSSL takes minutes; what peers say to each other is the same with the system's.
            crypto = "system" if series == "2.7" else None
            settings = BuildSettings(engine="host", openssl_sources=sources, crypto=crypto)
            release = (RELEASES | OLDER)[series]
            names = ("stock", "recommended") if variant in ("stock", "recommended") else (variant,)
            requests = {name: BinaryRequest(release, name) for name in names}
            try:
                binaries = programs(list(requests.values()), source, settings, Context(cache, Ui(quiet=True)))
            except (NetworkUnavailableError, PlacesExhaustedError) as error:
                pytest.skip(f"{release} can't be built from what is in reach: {error.what}")
            for name, request in requests.items():
                path = folder / f"openvpn-{series}-{name}"
                path.write_bytes(binaries[request].data)
                path.chmod(0o755)
                paths[series, name] = path
        return paths[series, variant]

    return program

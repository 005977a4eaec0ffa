"""The libraries that are compiled from source where a system no longer has them: ``libraries.toml``."""

from __future__ import annotations

import datetime
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from patchkit.releases.catalog import TarballPin


@dataclass(frozen=True)
class Library:
    """One pinned release of a library."""

    name: str
    """The name in tables and options: ``openssl-1.0.2``."""
    title: str
    """The project's own name: ``OpenSSL``."""
    branch: str
    version: str
    tarball: TarballPin
    urls: tuple[str, ...]
    """Upstream's own places for the tarball."""
    tag: str = ""
    """Upstream's git tag of this release."""
    stable: str = ""
    """Upstream's git branch of the whole series."""
    end_of_life: datetime.date | None = None
    """The day after which upstream publishes no more fixes for this branch; None where it names no such day."""

    def is_over(self, today: datetime.date) -> bool:
        """Return whether upstream no longer supports this branch on the day ``today``."""
        return self.end_of_life is not None and today > self.end_of_life


def crypto_libraries() -> list[str]:
    """List the names of the libraries that OpenVPN can use for encryption."""
    return [library.name for library in libraries().values() if library.title == "OpenSSL"]


@cache
def libraries() -> dict[str, Library]:
    """Read all pinned libraries, by name."""
    table = tomllib.loads((resources.files("patchkit.releases") / "libraries.toml").read_text("utf-8"))
    return {
        name: Library(
            name=name,
            title=entry["title"],
            branch=entry["branch"],
            version=entry["version"],
            tarball=TarballPin.of(entry),
            urls=tuple(entry["urls"]),
            tag=entry.get("tag", ""),
            stable=entry.get("stable", ""),
            end_of_life=entry.get("end_of_life"),
        )
        for name, entry in table.items()
    }

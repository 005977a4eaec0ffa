"""The pinned sources of the kernel: ``kernel.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import Field

from patchkit.json_schema import Part
from patchkit.lab.guest.packages import Package

PINS = Path(__file__).parent.with_name("kernel.toml")


class SourcePackage(Package):
    """One build of Debian's ``linux-source``, and where it has been seen."""

    suite: str
    snapshot: str
    """A moment at which the archive had it, as snapshot.debian.org writes moments."""

    @property
    def release(self) -> str:
        """The kernel's release and Debian's build of it: ``7.2.12 (Debian 7.2.12-1)``."""
        return f"{self.version.partition('-')[0]} (Debian {self.version})"


class _Table(Part):
    source: list[SourcePackage] = Field(min_length=1)


@cache
def pinned() -> tuple[SourcePackage, ...]:
    """Return the pinned sources, the preferred one first."""
    return tuple(_Table.model_validate(tomllib.loads(PINS.read_text("utf-8"))).source)

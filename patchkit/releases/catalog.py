"""The catalog of known releases: git tags pinned in ``releases.toml``, and tarballs pinned in ``tarballs.toml``.

``ci/pin-releases`` writes ``releases.toml``. ``tarballs.toml`` is kept by hand, each hash with the public records that
state it. A release may be in one of the two files or in both. Nothing here opens the network.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from patchkit.errors import UnknownVersionError
from patchkit.releases.version import Version, shown


@dataclass(frozen=True)
class TagPin:
    """One release tag in upstream's git; ids are 40 hex digits."""

    name: str
    date: str
    commit: str
    tree: str
    blobs: Mapping[str, str]
    """Git blob ids of reliable.c, reliable.h and ssl.c, by path: in src/openvpn/ since 2.3_alpha2, before that at the
    top. forward.c, which some variants change too, has no pin here and is found in the tree."""


@dataclass(frozen=True)
class TarballPin:
    """One published source tarball. ``size`` is in bytes, None when no record states it."""

    name: str
    sha256: str
    size: int | None
    debian: str | None
    """The name under which Debian's pool has the same bytes, if it ever had them."""
    records: tuple[str, ...]
    """The public records that state the hash."""

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> TarballPin:
        """Make the pin of ``entry``, a table of tarballs.toml or libraries.toml."""
        return cls(
            name=entry["name"],
            sha256=entry["sha256"],
            size=entry.get("size"),
            debian=entry.get("debian"),
            records=tuple(entry["records"]),
        )


@dataclass(frozen=True)
class Release:
    """One upstream release; at least one of ``tag`` and ``tarball`` is known."""

    version: Version
    tag: TagPin | None
    tarball: TarballPin | None

    @property
    def series(self) -> str:
        """The two first numbers of the version: ``2.6``."""
        return self.version.series

    @property
    def ref(self) -> str:
        """The name of the git tag; when the pins have none, the name that upstream would give it today."""
        return self.tag.name if self.tag else f"v{self.version.text}"


class Catalog:
    """The known releases, oldest first."""

    def __init__(self, releases: list[Release]) -> None:
        self.releases = sorted(releases, key=lambda release: release.version)
        self._by_version = {release.version: release for release in self.releases}

    def find(self, text: str) -> Release:
        """Find the release that ``text`` names, in any spelling.

        Raises UnknownVersionError, naming the nearest releases, when there is none or ``text`` is not a version.
        """
        version = Version.parse(text)
        release = self._by_version.get(version)
        if release is None:
            raise UnknownVersionError(
                f"there is no release {shown(text)} in the pins",
                why=f"nearest: {', '.join(self.nearest(version))}",
                advice=(
                    "patchkit releases lists all of them; "
                    f"one that is newer than the pins: --git URL --version {version.text}"
                ),
            )
        return release

    def nearest(self, version: Version, count: int = 4) -> list[str]:
        """List up to ``count`` releases that may be meant by ``version``: alike in spelling or next to it in order."""
        names = [release.version.text for release in self.releases]
        alike = difflib.get_close_matches(version.text, names, n=2, cutoff=0.75)
        below = [release.version.text for release in self.releases if release.version < version][-1:]
        above = [release.version.text for release in self.releases if version < release.version][:1]
        return list(dict.fromkeys([*alike, *below, *above]))[:count]


def _tag(entry: Mapping[str, Any]) -> TagPin:
    return TagPin(
        name=entry["tag"],
        date=entry["date"],
        commit=entry["commit"],
        tree=entry["tree"],
        blobs=entry["blobs"],
    )


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files("patchkit.releases") / name).read_text("utf-8"))


@cache
def catalog() -> Catalog:
    """Read the catalog that ships with this patchkit."""
    tags = {Version.parse(entry["tag"]): _tag(entry) for entry in _load("releases.toml")["release"]}
    tarballs = {Version.parse(version): TarballPin.of(entry) for version, entry in _load("tarballs.toml").items()}
    return Catalog(
        [Release(version, tags.get(version), tarballs.get(version)) for version in tags.keys() | tarballs.keys()]
    )


def named(text: str) -> str:
    """Return the release that ``text`` stands for: ``latest`` and a series, ``2.6``, for their newest final release.

    Any other text, and a series that the pins do not know, is returned as it is.
    """
    if text != "latest" and not re.fullmatch(r"v?\d{1,4}\.\d{1,4}", text, re.ASCII):
        return text
    final = [
        release.version.text
        for release in catalog().releases
        if not release.version.pep440.is_prerelease and text in ("latest", release.series, f"v{release.series}")
    ]
    return final[-1] if final else text

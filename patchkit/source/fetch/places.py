"""List the places of a pinned tarball: the user's mirrors, upstream's hosts, the Debian pool."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from patchkit.releases.catalog import Release, TarballPin
from patchkit.releases.libraries import Library
from patchkit.source.fetch import debian
from patchkit.storage import expanded

# The URLs under which upstream has published releases over the years, today's first.
_UPSTREAM = (
    "https://swupdate.openvpn.org/community/releases/{name}",
    "https://swupdate.openvpn.net/community/releases/{name}",
    "https://build.openvpn.net/downloads/releases/{name}",
    "https://github.com/OpenVPN/openvpn/releases/download/{tag}/{name}",
    "https://openvpn.net/release/{name}",  # of 2.0 and 2.1
)


@dataclass(frozen=True)
class Place:
    """One URL or path of one file. ``mirror`` is True for a place that the user named."""

    where: str
    mirror: bool = False

    @property
    def path(self) -> Path | None:
        """The local file; None where the place is an http or https URL."""
        if self.where.startswith(("http://", "https://")):
            return None
        if self.where.startswith("file://"):
            return Path(unquote(urlsplit(self.where).path))
        return expanded(self.where)


def mirrors() -> tuple[str, ...]:
    """Return the folders and URLs in ``PATCHKIT_MIRROR``, which blanks or newlines separate."""
    return tuple(os.environ.get("PATCHKIT_MIRROR", "").split())


def places_for(release: Release, pin: TarballPin, *, offline: bool) -> Sequence[Place]:
    """Return every place of the tarball ``pin`` of ``release``, best first; offline, only the user's mirrors."""
    urls = [url.format(name=pin.name, tag=release.ref) for url in _UPSTREAM]
    return _places(pin, urls, offline=offline)


def places_for_library(library: Library, *, offline: bool) -> Sequence[Place]:
    """Return every place of the tarball of ``library``, best first; offline, only the user's mirrors."""
    return _places(library.tarball, library.urls, offline=offline)


def _places(pin: TarballPin, urls: Sequence[str], *, offline: bool) -> Sequence[Place]:
    names = [pin.name, *([pin.debian] if pin.debian else [])]
    places = [Place(f"{mirror.rstrip('/')}/{name}", mirror=True) for mirror in mirrors() for name in names]
    if offline:
        return places
    places += [Place(url) for url in urls]
    if pin.debian:
        package = pin.debian.partition("_")[0]  # the pool's folders are named after source packages
        folder = package[:4] if package.startswith("lib") else package[0]
        places += [Place(f"{mirror}/pool/main/{folder}/{package}/{pin.debian}") for mirror in debian.mirrors()]
    return places

"""Request from the places of sources and packages something that a build would fetch, and read none of it."""

from __future__ import annotations

from urllib.parse import urlsplit

from patchkit.building.toolchain_table import bases
from patchkit.errors import NetworkUnavailableError, PlacesExhaustedError
from patchkit.releases.catalog import catalog
from patchkit.source.fetch import debian
from patchkit.source.fetch.download import offer_failure
from patchkit.source.fetch.from_url import ExpectedFile
from patchkit.source.fetch.places import Place, places_for

_RELEASES = 12  # of the newest that have a tarball: a Debian mirror has only some
_ADVICE = "check the connection and the proxy's variables; PATCHKIT_MIRROR names a folder or URL that has the files"


def tarballs() -> str:
    """Request the newest releases' tarballs until a place offers one, of the pinned size; name it in a line.

    Raises NetworkUnavailableError where no place can be reached, PlacesExhaustedError where none offers a tarball.
    """
    final = [release for release in catalog().releases if release.tarball and not release.version.pep440.is_prerelease]
    reasons: dict[str, str] = {}
    dead: set[str] = set()
    for release in sorted(final, key=lambda release: release.version, reverse=True)[:_RELEASES]:
        pin = release.tarball
        for place in places_for(release, pin, offline=False) if pin else ():
            host = urlsplit(place.where).netloc
            if pin is None or (host and host in dead):
                continue
            failure = offer_failure(ExpectedFile(pin.name, pin.sha256, pin.size), place)
            if failure is None:
                return f"{release.version} is offered at {place.where}"
            if failure.unreachable:
                dead.add(host)
            reasons.setdefault(host or place.where, f"{place.where}: {failure}")
    unreachable = bool(dead) and dead >= reasons.keys()
    kind = NetworkUnavailableError if unreachable else PlacesExhaustedError
    raise kind("no place offers a release's tarball", why="\n".join(reasons.values()), advice=_ADVICE)


def debian_mirror() -> str:
    """Return the first Debian mirror that offers the index of the suite of the images.

    Raises PlacesExhaustedError where none does.
    """
    suite = bases()[0].suite
    mirrors = debian.mirrors() or ("https://deb.debian.org/debian",)
    reasons = []
    for mirror in mirrors:
        failure = offer_failure(ExpectedFile("InRelease", "", None), Place(f"{mirror}/dists/{suite}/InRelease"))
        if failure is None:
            return mirror
        reasons.append(f"{mirror}: {failure}")
    raise PlacesExhaustedError(
        "no Debian mirror can be reached", why="\n".join(reasons), advice="set PATCHKIT_DEBIAN_MIRROR to one that can"
    )

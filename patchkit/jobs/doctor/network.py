"""Places that sources and packages come from, tried by asking them for something that a build would take."""

from __future__ import annotations

from urllib.parse import urlsplit

from patchkit.building.toolchain import bases
from patchkit.errors import NetworkUnavailableError, PlacesExhaustedError
from patchkit.releases.catalog import catalog
from patchkit.source.fetch import debian
from patchkit.source.fetch.download import ExpectedFile, refusal
from patchkit.source.fetch.places import Place, places_for

_RELEASES = 12  # of the newest that have a tarball: a mirror of Debian's has only some
_ADVICE = "check the connection and the proxy's variables; PATCHKIT_MIRROR names a folder or URL that has the files"


def tarballs() -> str:
    """Asks for the newest releases' tarballs until a place offers one, of the size that is pinned."""
    final = [one for one in catalog().releases if one.tarball and not one.version.pep440.is_prerelease]
    reasons: dict[str, str] = {}
    dead: set[str] = set()
    for release in sorted(final, key=lambda one: one.version, reverse=True)[:_RELEASES]:
        pin = release.tarball
        for place in places_for(release, pin, offline=False) if pin else ():
            host = urlsplit(place.where).netloc
            if pin is None or (host and host in dead):
                continue
            refused = refusal(ExpectedFile(pin.name, pin.sha256, pin.size), place)
            if refused is None:
                return f"{release.version} is offered at {place.where}"
            if refused.unreachable:
                dead.add(host)
            reasons.setdefault(host or place.where, f"{place.where}: {refused.why}")
    unreachable = bool(dead) and dead >= reasons.keys()
    kind = NetworkUnavailableError if unreachable else PlacesExhaustedError
    raise kind("no place offers a release's tarball", why="\n".join(reasons.values()), advice=_ADVICE)


def debian_mirror() -> str:
    """Asks for the index of the suite that images are made of; the mirror that has it."""
    suite = bases()[0].suite
    mirrors = debian.mirrors() or ("https://deb.debian.org/debian",)
    reasons = []
    for mirror in mirrors:
        refused = refusal(ExpectedFile("InRelease", "", None), Place(f"{mirror}/dists/{suite}/InRelease"))
        if refused is None:
            return mirror
        reasons.append(f"{mirror}: {refused.why}")
    raise PlacesExhaustedError(
        "no Debian mirror is in reach", why="\n".join(reasons), advice="set PATCHKIT_DEBIAN_MIRROR to one that is"
    )

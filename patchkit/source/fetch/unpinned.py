"""Fetch the tarball and the signature of a release that has no pin, from the places where upstream publishes."""

from __future__ import annotations

from pathlib import Path

from patchkit.context import Context
from patchkit.errors import PlacesExhaustedError
from patchkit.releases.catalog import Release, TarballPin
from patchkit.releases.version import Version
from patchkit.source.fetch import download, places

_FORMS = ("tar.gz", "tar.xz")  # 2.4 and 2.5 came as both
SIGNATURE = ".asc"


def tarball(version: Version, context: Context) -> Path:
    """Fetch the tarball of ``version``, which has no pin.

    Raises OfflineError, NetworkUnavailableError or PlacesExhaustedError.
    """
    folder = context.cache.unpinned
    *others, last = _FORMS
    for form in others:
        try:
            return _fetched(version, _pin(version, form), folder, context)
        except PlacesExhaustedError as error:
            context.ui.note(error.what)
    return _fetched(version, _pin(version, last), folder, context)


def signature(version: Version, name: str, context: Context) -> Path:
    """Fetch the signature of the tarball ``name`` of ``version``, pinned or not.

    Raises OfflineError, NetworkUnavailableError or PlacesExhaustedError.
    """
    form = name.partition(f"openvpn-{version.text}.")[2] or _FORMS[0]
    pin = _pin(version, form)
    signed = TarballPin(f"{name}{SIGNATURE}", "", None, f"{pin.debian}{SIGNATURE}", ())
    return _fetched(version, signed, context.cache.unpinned, context)


def _pin(version: Version, form: str) -> TarballPin:
    return TarballPin(f"openvpn-{version.text}.{form}", "", None, f"openvpn_{version.text}.orig.{form}", ())


def _fetched(version: Version, pin: TarballPin, folder: Path, context: Context) -> Path:
    where = places.places_for(Release(version, None, None), pin, offline=context.offline)
    with context.cache.lock(f"unpinned-{pin.name}"):
        return download.fetch_unpinned(pin.name, where, folder, context)

"""In which order the places for a tarball are asked, and what the environment adds to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from patchkit.releases.catalog import Release, TagPin, TarballPin
from patchkit.releases.libraries import libraries
from patchkit.releases.version import Version
from patchkit.source.fetch.places import Place, mirrors, places_for, places_for_library

PIN = TarballPin("openvpn-2.9.1.tar.gz", "0" * 64, 1, "openvpn_2.9.1.orig.tar.gz", ())
TAG = TagPin("v2.9.1", "2023-11-14", "1" * 40, "2" * 40, {})
RELEASE = Release(Version("2.9.1"), TAG, PIN)


@pytest.fixture(autouse=True)
def _one_debian_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHKIT_DEBIAN_MIRROR", "http://debian.example/debian/")


def where(pin: TarballPin = PIN, *, offline: bool = False) -> list[str]:
    return [place.where for place in places_for(RELEASE, pin, offline=offline)]


def test_upstream_comes_first_and_debians_pool_last() -> None:
    listed = where()
    assert [url.split("/")[2] for url in listed] == [
        "swupdate.openvpn.org",
        "swupdate.openvpn.net",
        "build.openvpn.net",
        "github.com",
        "openvpn.net",
        "debian.example",
    ]
    assert listed[3].endswith("/v2.9.1/openvpn-2.9.1.tar.gz")
    assert listed[-1] == "http://debian.example/debian/pool/main/o/openvpn/openvpn_2.9.1.orig.tar.gz"


def test_debian_sorts_libraries_by_four_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHKIT_DEBIAN_MIRROR", "http://debian.example/debian")
    last = places_for_library(libraries()["libnl"], offline=False)[-1].where
    assert last == "http://debian.example/debian/pool/main/libn/libnl3/libnl3_3.7.0.orig.tar.gz"


def test_a_tarball_that_debian_never_had_is_not_looked_for_there() -> None:
    assert len(where(replace(PIN, debian=None))) == 5


def test_a_release_without_a_tag_pin_guesses_the_tag() -> None:
    listed = places_for(Release(Version("2.9.1"), None, PIN), PIN, offline=False)
    assert any("/v2.9.1/" in place.where for place in listed)


def test_mirrors_come_before_all_with_both_of_a_files_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHKIT_MIRROR", "/srv/one/ http://two.example/x\n\tfile:///srv/three")
    assert mirrors() == ("/srv/one/", "http://two.example/x", "file:///srv/three")
    expected = [
        "/srv/one/openvpn-2.9.1.tar.gz",
        "/srv/one/openvpn_2.9.1.orig.tar.gz",
        "http://two.example/x/openvpn-2.9.1.tar.gz",
        "http://two.example/x/openvpn_2.9.1.orig.tar.gz",
        "file:///srv/three/openvpn-2.9.1.tar.gz",
        "file:///srv/three/openvpn_2.9.1.orig.tar.gz",
    ]
    listed = places_for(RELEASE, PIN, offline=False)
    assert [place.where for place in listed[:6]] == expected
    assert [place.mirror for place in listed] == [True] * 6 + [False] * 6
    assert where(offline=True) == expected


@pytest.mark.parametrize("value", [None, "", " \n "])
def test_without_mirrors_nothing_is_left_offline(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv("PATCHKIT_MIRROR", value)
    assert mirrors() == ()
    assert where(offline=True) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/srv/mirror/x", Path("/srv/mirror/x")),
        ("mirror/x", Path("mirror/x")),
        ("~/mirror/x", Path.home() / "mirror/x"),
        ("file:///srv/mirror/x", Path("/srv/mirror/x")),
        # Blanks separate mirrors, so this is the only way to name a folder with one.
        ("file:///srv/my%20mirror/x", Path("/srv/my mirror/x")),
        ("http://host/x", None),
        ("https://host/x", None),
    ],
)
def test_a_place_is_a_file_or_a_url(text: str, path: Path | None) -> None:
    assert Place(text).path == path

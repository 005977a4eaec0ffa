"""The index of a Debian suite is believed only as signed by the archive's keys, whole, today's, and of that suite."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from patchkit.context import Context
from patchkit.errors import (
    BadSignatureError,
    NetworkUnavailableError,
    OpenPgpMissingError,
    PlacesExhaustedError,
    StorageError,
    WrongHashError,
)
from patchkit.source.fetch.signed_index import key_ring, read_index
from tests.support.source.debian_archive import INDEX, Archive, archive_in
from tests.support.source.signers import DAY

PACKAGES = [
    {"Package": "one", "Version": "1", "SHA256": "ab"},
    {"Package": "one", "Version": "2", "SHA256": "cd"},
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    yield from archive_in(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def archive(made: Archive, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """An archive without suites, whose key is known here."""
    shutil.rmtree(made.folder / "dists", ignore_errors=True)
    monkeypatch.setenv("PATCHKIT_DEBIAN_KEYRING", str(made.key_ring))
    return made


@pytest.fixture
def context(cache: object, ui: object) -> Context:
    return Context(cache, ui)  # type: ignore[arg-type]


@pytest.mark.parametrize("by_hash", [True, False])
@pytest.mark.parametrize("valid_for", [7 * DAY, None])
def test_a_signed_index_is_read(archive: Archive, context: Context, by_hash: bool, valid_for: int | None) -> None:
    archive.suite("sid", PACKAGES, by_hash=by_hash, valid_for=valid_for)
    index = read_index(archive.base, "sid", context)
    assert list(index.packages) == PACKAGES
    assert index.snapshot == f"{index.date:%Y%m%dT%H%M%SZ}"
    assert index.date.utcoffset() is not None


def test_a_suite_is_named_by_its_codename_too(archive: Archive, context: Context) -> None:
    folder = archive.suite("stable-backports", PACKAGES, codename="trixie-backports")
    shutil.move(folder, folder.with_name("trixie-backports"))
    assert len(read_index(archive.base, "trixie-backports", context).packages) == 2


def test_a_key_that_nobody_knows(archive: Archive, context: Context) -> None:
    archive.suite("sid", PACKAGES, key=archive.foreign_key())
    with pytest.raises(BadSignatureError, match="no key of Debian's archive has signed"):
        read_index(archive.base, "sid", context)


def test_a_text_that_was_changed(archive: Archive, context: Context) -> None:
    release = archive.suite("sid", PACKAGES) / "InRelease"
    release.write_bytes(release.read_bytes().replace(b"Origin: Debian", b"Origin: Other "))
    with pytest.raises(BadSignatureError, match="no key of Debian's archive has signed"):
        read_index(archive.base, "sid", context)


def test_what_stands_around_the_signed_text_does_not_count(archive: Archive, context: Context) -> None:
    """A second block SHA256 in front of the signature, as somebody on the way could put there."""
    folder = archive.suite("sid", PACKAGES)
    forged = f"Suite: sid\nSHA256:\n {'1' * 64} 5 {INDEX}\n\n".encode()
    (folder / "InRelease").write_bytes(forged + (folder / "InRelease").read_bytes())
    with suppress(BadSignatureError):  # gpgv need not read such a file at all
        assert list(read_index(archive.base, "sid", context).packages) == PACKAGES


@pytest.mark.parametrize("text", [b"", b"Suite: sid\n", b"-----BEGIN PGP SIGNED MESSAGE-----\n"])
def test_no_signature_at_all(archive: Archive, context: Context, text: bytes) -> None:
    (archive.suite("sid", PACKAGES) / "InRelease").write_bytes(text)
    with pytest.raises(BadSignatureError):
        read_index(archive.base, "sid", context)


@pytest.mark.parametrize("change", [b"x", b""])
def test_an_index_that_is_not_the_signed_one(archive: Archive, context: Context, change: bytes) -> None:
    folder = archive.suite("sid", PACKAGES, by_hash=False)
    data = (folder / INDEX).read_bytes()
    (folder / INDEX).write_bytes(data + change if change else data[:-1])
    with pytest.raises(WrongHashError, match="has not signed") as caught:
        read_index(archive.base, "sid", context)
    assert "signed sha256" in caught.value.why


def test_another_suite_under_this_name(archive: Archive, context: Context) -> None:
    folder = archive.suite("trixie", PACKAGES)
    shutil.move(folder, folder.with_name("sid"))
    with pytest.raises(BadSignatureError, match="another suite as sid"):
        read_index(archive.base, "sid", context)


def test_an_index_of_long_ago(archive: Archive, context: Context) -> None:
    archive.suite("sid", PACKAGES, valid_for=-60)
    with pytest.raises(BadSignatureError, match="out of date") as caught:
        read_index(archive.base, "sid", context)
    assert "valid until" in caught.value.why


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Suite: sid\n", "without a date"),
        ("Suite: sid\nDate: soon\n", "without a date"),
        ("Suite: sid\nDate: Fri, 27 Nov 2026 02:10:32 UTC\n", "names no main"),
        (f"Suite: sid\nDate: Fri, 27 Nov 2026 02:10:32 UTC\nSHA256:\n zz 5 {INDEX}\n", "names no main"),
    ],
)
def test_a_release_that_lacks_what_is_needed(archive: Archive, context: Context, text: str, message: str) -> None:
    (archive.suite("sid", PACKAGES) / "InRelease").write_bytes(archive.signed(text))
    with pytest.raises(BadSignatureError, match=message):
        read_index(archive.base, "sid", context)


def test_a_mirror_without_the_suite(archive: Archive, context: Context) -> None:
    with pytest.raises(PlacesExhaustedError):
        read_index(archive.base, "sid", context)
    with pytest.raises(NetworkUnavailableError):
        read_index("http://127.0.0.1:9", "sid", context)


def test_without_gpgv(archive: Archive, context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    archive.suite("sid", PACKAGES)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpenPgpMissingError, match="gpgv is not installed"):
        read_index(archive.base, "sid", context)


def test_without_a_key_ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHKIT_DEBIAN_KEYRING", str(tmp_path / "missing"))
    with pytest.raises(StorageError, match="keys of Debian's archive") as caught:
        key_ring()
    assert "PATCHKIT_DEBIAN_KEYRING" in caught.value.advice

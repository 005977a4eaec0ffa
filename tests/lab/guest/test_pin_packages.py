"""`patchkit lab pin`: today's packages of the guest, by an index that Debian's archive has signed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import BadSignatureError, GuestError
from patchkit.lab.guest import pin_packages
from patchkit.lab.guest.pin_packages import SUITE, current
from patchkit.ui import Ui
from tests.support.source.debian_archive import Archive
from tests.support.source.signers import signer


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    if shutil.which("gpgv") is None:
        pytest.skip("there is no gpgv")
    with signer() as keys:
        yield Archive(tmp_path_factory.mktemp("archive"), keys)


def listed(name: str, **fields: str) -> dict[str, str]:
    return {
        "Package": name,
        "Version": "1",
        "Filename": f"pool/{name}_1_all.deb",
        "Size": "5",
        "SHA256": "ab",
        **fields,
    }


def needed() -> list[dict[str, str]]:
    kernels = [listed(f"linux-image-6.12.{number}+deb13-cloud-amd64") for number in (9, 10)]
    others = [listed(name) for name in pin_packages._NEEDED if name != "iproute2"]
    return [*kernels, *others, listed("iproute2", Depends="libfar (>= 2) | other, virtual"), listed("libfar"),
            listed("real", Provides="virtual (= 1)"), listed("unneeded")]  # fmt: skip


def test_the_newest_kernel_and_all_dependencies_are_pinned(
    archive: Archive, cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATCHKIT_DEBIAN_KEYRING", str(archive.key_ring))
    archive.suite(SUITE, needed())
    pins = current(Context(cache, ui), archive.base)
    assert pins.kernel == "6.12.10+deb13-cloud-amd64"
    assert {package.name for package in pins.package[1:]} == {*pin_packages._NEEDED, "libfar", "real"}
    assert len(pins.snapshot) == len("20260101T000000Z")


def test_an_index_without_a_needed_package(
    archive: Archive, cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATCHKIT_DEBIAN_KEYRING", str(archive.key_ring))
    for packages, message in ((needed()[2:], "with a kernel for the guest"), (needed()[:2], "has no package")):
        archive.suite(SUITE, packages)
        with pytest.raises(GuestError, match=message):
            current(Context(cache, ui), archive.base)


def test_an_index_that_nobody_has_signed(
    archive: Archive, cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATCHKIT_DEBIAN_KEYRING", str(archive.key_ring))
    archive.suite(SUITE, needed(), key=archive.foreign_key())
    with pytest.raises(BadSignatureError):
        current(Context(cache, ui), archive.base)

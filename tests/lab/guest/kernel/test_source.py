"""Where the source of the kernel comes from: pins in order, and the newest signed one once all pins have gone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import GuestError
from patchkit.lab.guest.kernel import source as module
from patchkit.lab.guest.kernel.pins import SourcePackage
from patchkit.lab.guest.kernel.source import newest, obtained
from patchkit.source.fetch import signed_index
from patchkit.ui import Ui
from tests.support.lab.kernel_source import pin
from tests.support.source.debian_archive import Archive, archive_in

PINS = (pin(b"second", "7.2.2-1"), pin(b"first", "7.2.1-1"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    yield from archive_in(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def archive(made: Archive, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """An empty archive, which is the only place besides the user's mirrors."""
    for name in ("dists", "pool", "snapshot"):
        shutil.rmtree(made.folder / name, ignore_errors=True)
    monkeypatch.setenv("PATCHKIT_DEBIAN_KEYRING", str(made.key_ring))
    monkeypatch.setenv("PATCHKIT_DEBIAN_MIRROR", made.base)
    monkeypatch.setattr(module, "ARCHIVE", made.base)
    monkeypatch.setattr(signed_index, "ARCHIVE", made.base)
    monkeypatch.setattr(module, "_SNAPSHOT", f"{made.base}/snapshot/{{moment}}/{{file}}")
    monkeypatch.setattr(module, "pinned", lambda: PINS)
    return made


def serve(folder: Path, source: SourcePackage, data: bytes) -> None:
    path = folder / source.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def listed(source: SourcePackage) -> dict[str, str]:
    return {"Package": source.name, "Version": source.version, "Filename": source.file, "Size": str(source.size),
            "SHA256": source.sha256}  # fmt: skip


def test_the_preferred_one_is_taken(archive: Archive, cache: Cache, ui: Ui) -> None:
    serve(archive.folder, PINS[0], b"second")
    serve(archive.folder, PINS[1], b"first")
    source, path = obtained(Context(cache, ui))
    assert (source, path.read_bytes()) == (PINS[0], b"second")


def test_one_that_is_here_already_goes_first(archive: Archive, cache: Cache, ui: Ui) -> None:
    serve(archive.folder, PINS[0], b"second")
    (cache.downloads / PINS[1].file_name).write_bytes(b"first")
    for offline in (True, False):
        assert obtained(Context(cache, ui, offline=offline))[0] == PINS[1]


def test_the_pool_has_dropped_the_preferred_one(archive: Archive, cache: Cache, ui: Ui) -> None:
    serve(archive.folder, PINS[1], b"first")
    serve(archive.folder / "snapshot/20260101T000000Z", PINS[0], b"second")
    assert obtained(Context(cache, ui))[0] == PINS[1]


def test_the_archive_of_all_has_what_the_pool_has_dropped(archive: Archive, cache: Cache, ui: Ui) -> None:
    serve(archive.folder / "snapshot/20260101T000000Z", PINS[1], b"first")
    assert obtained(Context(cache, ui))[0] == PINS[1]


def test_a_file_with_another_hash_is_not_taken(archive: Archive, cache: Cache, ui: Ui) -> None:
    serve(archive.folder, PINS[0], b"forged")
    serve(archive.folder, PINS[1], b"first")
    assert obtained(Context(cache, ui))[0] == PINS[1]


def test_offline_only_the_users_mirrors_count(
    archive: Archive, cache: Cache, ui: Ui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(archive.folder, PINS[0], b"second")
    context = Context(cache, ui, offline=True)
    with pytest.raises(GuestError, match="no place has a source of the lab's kernel") as caught:
        obtained(context)
    assert PINS[0].file_name in caught.value.advice
    assert "PATCHKIT_UML" in caught.value.advice
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / PINS[1].file_name).write_bytes(b"first")
    monkeypatch.setenv("PATCHKIT_MIRROR", str(mirror))
    assert obtained(context)[0] == PINS[1]


def test_once_all_have_gone_the_newest_signed_one_is_taken(
    archive: Archive, cache: Cache, capfd: pytest.CaptureFixture[str]
) -> None:
    new = pin(b"newest", "7.10.1-1").model_copy(update={"name": "linux-source-7.10"})
    old = pin(b"older", "7.9.12-1~bpo13+1")
    other = {**listed(old), "Package": "linux-source-6.12", "Version": "9.9"}
    archive.suite("sid", [listed(old), listed(new), other, {"Package": "linux-source-7.11"}])
    serve(archive.folder, new, b"newest")
    source, path = obtained(Context(cache, Ui()))
    assert (source.version, source.suite, path.read_bytes()) == ("7.10.1-1", "sid", b"newest")
    assert "no pinned source of the lab's kernel is left" in capfd.readouterr().err


def test_an_unsigned_index_is_not_believed(archive: Archive, cache: Cache, ui: Ui) -> None:
    new = pin(b"newest", "7.9.12-1")
    archive.suite("sid", [listed(new)], key=archive.foreign_key())
    serve(archive.folder, new, b"newest")
    with pytest.raises(GuestError, match="no place has a source") as caught:
        obtained(Context(cache, ui))
    assert "no key of Debian's archive has signed" in caught.value.why


def test_one_suite_out_of_three_is_enough(archive: Archive, cache: Cache, ui: Ui) -> None:
    archive.suite("trixie-backports", [listed(pin(b"a", "7.9.1-1"))], valid_for=-60)
    archive.suite("forky", [listed(pin(b"b", "7.8.1-1"))])
    assert newest(Context(cache, ui)).version == "7.8.1-1"


def test_the_signed_hash_decides(archive: Archive, cache: Cache, ui: Ui) -> None:
    new = pin(b"newest", "7.9.12-1")
    archive.suite("sid", [listed(new)])
    serve(archive.folder, new, b"forged")
    with pytest.raises(GuestError, match="no place has a source"):
        obtained(Context(cache, ui))


def test_without_a_network(cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch) -> None:
    """No wait for each pin at each place, and no index is asked for."""
    monkeypatch.setattr(module, "ARCHIVE", "http://127.0.0.1:9")
    monkeypatch.setenv("PATCHKIT_DEBIAN_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setattr(module, "_SNAPSHOT", "http://127.0.0.1:9/{moment}/{file}")
    monkeypatch.setattr(module, "newest", lambda _: pytest.fail("an index was asked for"))
    with pytest.raises(GuestError, match="no place has a source"):
        obtained(Context(cache, ui))

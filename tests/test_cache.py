"""The cache folder: how it is marked, found and locked, and what a refusing disk turns into."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchkit.cache import FOLDERS, Cache, keep_newest
from patchkit.errors import DiskFullError, PatchkitError, StorageError
from patchkit.storage import writing

HOLDER = """
import sys, time
from pathlib import Path
from patchkit.cache import FOLDERS, Cache, keep_newest
with Cache(Path(sys.argv[1])).lock("one"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(cache: Cache) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock "one"."""
    command = [sys.executable, "-P", "-c", HOLDER, str(cache.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def waiter(cache: Cache, name: str) -> tuple[threading.Thread, threading.Event]:
    """A thread that wants a lock, and the event that says it has had it."""
    had = threading.Event()

    def want() -> None:
        with cache.lock(name):
            had.set()

    thread = threading.Thread(target=want, daemon=True)
    thread.start()
    return thread, had


def test_the_folder_is_marked_for_backup_programs(cache: Cache) -> None:
    assert cache.downloads.is_dir()
    tag = (cache.root / "CACHEDIR.TAG").read_bytes()
    # The signature is fixed by https://bford.info/cachedir/: these 43 bytes at the very beginning.
    assert tag.startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")


def test_a_mark_that_is_there_is_left_alone(cache: Cache) -> None:
    cache.made()
    tag = cache.root / "CACHEDIR.TAG"
    tag.write_text(tag.read_text() + "# a note\n")
    cache.made("git")
    assert tag.read_text().endswith("# a note\n")


def test_the_environment_names_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATCHKIT_CACHE", str(tmp_path / "named"))
    assert Cache.default().root == tmp_path / "named"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATCHKIT_CACHE", "~/named")
    assert Cache.default().root == tmp_path / "named"


@pytest.mark.parametrize("named", [None, ""])
def test_otherwise_it_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str | None) -> None:
    monkeypatch.delenv("PATCHKIT_CACHE", raising=False)
    if named is not None:
        monkeypatch.setenv("PATCHKIT_CACHE", named)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache.default().root == tmp_path / "patchkit"
    assert list(tmp_path.iterdir()) == []  # asking makes nothing


def test_a_lock_keeps_another_process_out_until_it_is_killed(cache: Cache, holder: subprocess.Popen[str]) -> None:
    thread, had = waiter(cache, "one")
    assert not had.wait(0.3)
    holder.send_signal(signal.SIGKILL)
    assert had.wait(5)
    thread.join()


def test_a_lock_of_another_name_is_free(cache: Cache, holder: subprocess.Popen[str]) -> None:
    thread, had = waiter(cache, "two")
    assert had.wait(5)
    thread.join()


def test_a_lock_is_freed_when_its_holder_fails(cache: Cache) -> None:
    with pytest.raises(ZeroDivisionError), cache.lock("one"):
        raise ZeroDivisionError
    thread, had = waiter(cache, "one")
    assert had.wait(5)
    thread.join()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_is_a_full_disk(number: int) -> None:
    with pytest.raises(DiskFullError) as refused, writing(Path("/some/file")):
        raise OSError(number, os.strerror(number))
    assert "/some/file" in refused.value.what
    assert os.strerror(number) in refused.value.why
    assert "PATCHKIT_CACHE" in refused.value.advice


@pytest.mark.parametrize(
    "number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EIO, errno.ENAMETOOLONG]
)
def test_any_other_refusal_is_a_storage_error(number: int) -> None:
    with pytest.raises(StorageError) as refused, writing(Path("/some/file")):
        raise OSError(number, os.strerror(number))
    assert "/some/file" in refused.value.what
    assert refused.value.why == os.strerror(number)


def test_an_error_that_is_not_the_disks_passes_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), writing(Path("/some/file")):
        raise ZeroDivisionError
    with pytest.raises(DiskFullError, match="inner"), writing(Path("/some/file")):
        raise DiskFullError("inner")


def test_a_cache_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError) as refused:
        Cache(tmp_path / "file" / "cache").made("downloads")
    assert refused.value.why == os.strerror(errno.ENOTDIR)


def test_a_full_disk_is_noticed_when_the_cache_is_made(tiny_disk: Path) -> None:
    (tiny_disk / "filler").write_bytes(bytes(64 * 1024))
    with pytest.raises(DiskFullError):
        Cache(tiny_disk / "cache").made("downloads")


def test_a_lock_that_cannot_be_made_is_an_error_with_advice(cache: Cache) -> None:
    # Like a lock file that an earlier run as root has left to a user who may not open it.
    (cache.locks / "one.lock").mkdir()
    with pytest.raises(PatchkitError) as refused, cache.lock("one"):
        pytest.fail("a folder was locked")
    assert isinstance(refused.value, StorageError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_of_somebody_elses_is_a_storage_error(cache: Cache) -> None:
    cache.made("downloads")
    cache.root.chmod(0o555)
    try:
        with pytest.raises(StorageError):
            cache.made("git")
        with pytest.raises(StorageError), cache.lock("one"):
            pytest.fail("a lock was made in a folder that can't be written")
    finally:
        cache.root.chmod(0o755)


def test_a_lock_that_is_held_elsewhere_is_waited_for_or_refused(cache: Cache) -> None:
    with (
        cache.lock("one"),
        pytest.raises(StorageError, match=r"^my report is in use$"),
        cache.lock("one", busy="my report"),
    ):
        pytest.fail("two hold it")
    with cache.lock("one", busy="my report"):
        pass


def test_what_was_not_used_for_long_makes_room(tmp_path: Path) -> None:
    """A day, so that nothing is taken from another run; and never the newest."""
    long_ago = time.time() - 2 * 24 * 3600
    for number in range(6):
        path = tmp_path / str(number)
        if number % 2:
            path.mkdir()
            (path / "inside").write_text("x")
        else:
            path.write_text("x")
        os.utime(path, (long_ago + number, long_ago + number))
    os.utime(tmp_path / "5")
    keep_newest(tmp_path, 3, used=tmp_path / "0")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "4", "5"]
    keep_newest(tmp_path, 0, used=tmp_path / "0")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "5"]


def test_every_folder_is_a_property_and_reading_makes_none(cache: Cache) -> None:
    assert {cache.made(name) for name in FOLDERS} == {getattr(cache, name) for name in FOLDERS} == set(cache.existing())
    elsewhere = Cache(cache.root.with_name("elsewhere")).read_only()
    assert {getattr(elsewhere, name).parent for name in FOLDERS} == {elsewhere.root}
    assert not elsewhere.root.exists()


def test_a_cache_by_a_relative_name_is_the_same_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATCHKIT_CACHE", "my cache")
    assert Cache.default().root == tmp_path / "my cache"


def test_who_waits_is_told_once(cache: Cache, holder: subprocess.Popen[str]) -> None:
    told: list[str] = []

    def want() -> None:
        with cache.lock("one", waiting=lambda: told.append("waiting")):
            told.append("had it")

    thread = threading.Thread(target=want, daemon=True)
    thread.start()
    deadline = time.monotonic() + 5
    while not told and time.monotonic() < deadline:
        time.sleep(0.01)
    assert told == ["waiting"]
    holder.send_signal(signal.SIGKILL)
    thread.join(5)
    assert told == ["waiting", "had it"]
    with cache.lock("one", waiting=lambda: told.append("again")):
        pass
    assert told == ["waiting", "had it"]

"""The cache's health, with every kind of damage made for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from patchkit.cache import Cache
from patchkit.jobs.doctor import cache_health, repair
from patchkit.jobs.doctor.distribution import Distribution
from patchkit.jobs.doctor.model import FaultError, Probe, run_probe
from patchkit.pki.credentials import credentials
from patchkit.ui import Ui

NOWHERE = Distribution("nowhere")


@pytest.fixture(autouse=True)
def _a_temporary_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))


def test_no_cache_yet(cache: Cache) -> None:
    assert "not there yet" in cache_health.checked(cache)
    assert not cache.root.exists()


def test_what_is_pinned_is_hashed_and_its_removal_mends(cache: Cache, ui: Ui) -> None:
    name = next(iter(cache_health.pinned()))
    path = cache.downloads / name
    path.write_bytes(b"not it")
    (cache.downloads / "0123456789abcdef-toolchain.tar.gz").write_bytes(b"not it either")
    probe = Probe("cache", "", lambda: cache_health.checked(cache))
    result = run_probe(probe, NOWHERE)
    assert result.state == "broken"
    assert f"rm --recursive --force {cache.root}/downloads/0123456789abcdef" in result.fix
    repair.run(repair.plan([result], NOWHERE), ui)
    assert not path.exists()
    assert run_probe(probe, NOWHERE).state == "works"


def test_what_has_its_hash_beside_it(cache: Cache) -> None:
    credentials("leaf-ec", cache)
    (good,) = (cache.root / "credentials").glob("*/leaf-ec.json")
    assert cache_health.examine(cache).hashed == 1
    good.write_text(good.read_text().replace("BEGIN", "BEGUN", 1))
    library = cache.libraries / "lzo-0123.tar"
    library.write_bytes(b"")
    assert cache_health.examine(cache).damaged == [library, good]


def test_a_program_that_was_altered(cache: Cache) -> None:
    folder = cache.programs / "0123"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}x")
    assert cache_health.examine(cache).damaged == [folder]


def test_what_an_interrupted_download_left_is_no_damage(cache: Cache) -> None:
    folder = cache.downloads
    (folder / "openvpn-2.6.14.tar.gz.part").write_bytes(b"half")
    (folder / "openvpn-2.6.14.tar.gz.rejected-0123456789ab").write_bytes(b"other")
    report = cache_health.checked(cache)
    assert "1 downloads to go on with" in report
    assert "1 rejected downloads" in report


def test_what_killed_runs_left_is_named_after_a_day(cache: Cache, tmp_path: Path) -> None:
    old, new = cache.programs / ".manifest.json.abcd", cache.programs / ".manifest.json.efgh"
    build = tmp_path / "tmp/patchkit-abcd"
    build.mkdir()
    for path in (old, new):
        path.write_bytes(b"")
    for path in (old, build):
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    assert set(cache_health.examine(cache).left) == {old, build}
    assert str(old) in cache_health.checked(cache)


HOLD = """
import sys, time
from pathlib import Path
from patchkit.cache import Cache
with Cache(Path(sys.argv[1])).lock("a"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_that_a_stopped_process_holds_is_a_fault(cache: Cache) -> None:
    with cache.lock("nobody-has-it-any-more"):
        pass
    holder = subprocess.Popen([sys.executable, "-P", "-c", HOLD, str(cache.root)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert cache_health.examine(cache).locked == {"a.lock": holder.pid}
        assert f"in use by process {holder.pid}" in cache_health.checked(cache)
        holder.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
        with pytest.raises(FaultError, match=r"a stopped process holds the lock a\.lock"):
            cache_health.checked(cache)
    finally:
        holder.kill()
        holder.communicate()
    assert cache_health.examine(cache).locked == {}


def test_a_folder_that_is_another_users() -> None:
    """As after a run with sudo: this one is somebody else, and the folder is root's."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    with TemporaryDirectory(dir="/tmp") as name:  # the test's own is out of reach for others
        cache = Cache(Path(name))
        folder = cache.downloads
        for path in (cache.root, folder):
            path.chmod(0o755)
        assert "0 files hashed" in cache_health.checked(
            cache
        )  # all modules are loaded now: nobody may not read them later
        child = os.fork()
        if child == 0:
            try:
                os.setuid(65534)
                cache_health.checked(cache)
            except FaultError as error:
                os._exit(90 if str(error) == f"this user may not write {cache.root} {folder}" else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 90

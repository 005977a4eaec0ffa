"""The guests' memory in huge pages: where the host gives them, to whom, and what becomes of a trial without."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.jobs.lab.links import materials
from patchkit.lab.link import huge_pages, uml
from patchkit.lab.link.binaries import Binary
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.runner_order import Turn, order
from patchkit.lab.model.scenario import built_in
from patchkit.releases.version import Version
from tests.conftest import PINNED

_SIZE = 8 << 20  # bytes
# Prints how much is given for one byte that is written into a file of _SIZE.
_WRITES_A_BYTE = f"""
import mmap, os, runpy, sys
folder = runpy.run_path(sys.argv[1])["folder"]()
file = os.open(folder / "memory", os.O_CREAT | os.O_RDWR)
os.ftruncate(file, {_SIZE})
mmap.mmap(file, {_SIZE})[0] = 1
print(os.stat(file).st_blocks * 512)
"""


@pytest.fixture
def fresh() -> Iterator[None]:
    """What this process has mounted, or could not, is of no account."""
    huge_pages.folder.cache_clear()
    yield
    huge_pages.folder.cache_clear()


@pytest.fixture
def given() -> Path:
    folder = huge_pages.folder()
    if folder is None:
        pytest.skip("this host gives no huge pages: it may not mount, or its kernel is older than 5.2")
    return folder


def test_a_byte_takes_a_huge_page_and_a_small_file_does_not(given: Path) -> None:
    memory = given / "memory"
    with memory.open("w+b") as file:
        file.truncate(_SIZE)
        mmap.mmap(file.fileno(), _SIZE)[0] = 1
        if os.fstat(file.fileno()).st_blocks * 512 == mmap.PAGESIZE:
            pytest.skip("this host's memory is in small pieces, or its kernel has no huge pages")
        assert os.fstat(file.fileno()).st_blocks * 512 == 2 << 20
    memory.unlink()
    small = given / "small"
    small.write_bytes(b"x")
    assert small.stat().st_blocks * 512 == mmap.PAGESIZE
    small.unlink()


def test_also_for_a_user_who_may_not_mount(given: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("is run by such a user")
    # Not the one that runs this: it may be in a folder that is root's alone.
    python = shutil.which("python3", path="/usr/bin:/bin") or pytest.skip("no python3 that anybody may run")
    script = _WRITES_A_BYTE.encode()
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name, "huge_pages.py")
        copy.write_bytes(Path(huge_pages.__file__).read_bytes())
        Path(name).chmod(0o755)
        done = subprocess.run(
            [python, "-I", "-", str(copy)], user="nobody", group="nogroup", extra_groups=[], cwd="/", input=script,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    if b"TypeError" in done.stderr:
        pytest.skip("this host lets no user make namespaces")
    assert int(done.stdout) in (2 << 20, mmap.PAGESIZE), done.stderr


@pytest.mark.usefixtures("fresh")
def test_none_where_neither_can_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huge_pages, "_FSOPEN", 1 << 20)  # a system call that no kernel has
    monkeypatch.setattr(huge_pages, "_UNSHARE", ("false",))
    assert huge_pages.folder() is None
    huge_pages.folder.cache_clear()
    monkeypatch.setattr(huge_pages, "_UNSHARE", ("/no/such/program",))
    assert huge_pages.folder() is None


@pytest.mark.slow
@pytest.mark.usefixtures("given")
def test_a_trial_is_the_same_without(
    uml_machine: uml.Machine, programs: Mapping[str, Binary], shared_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = Version.parse(PINNED)
    groups = ProcessGroups()
    peers = uml.packed_peers(
        uml_machine, materials(programs["stock"], programs["stock"], "leaf-ec", shared_cache), groups
    )
    turn = order(built_in()["loss-20"], version, version, [Turn(7)])
    with_huge = uml.run(uml_machine, peers, turn, wall_limit=200, groups=groups)
    monkeypatch.setattr(huge_pages, "folder", lambda: None)
    assert uml.run(uml_machine, peers, turn, wall_limit=200, groups=groups) == with_huge

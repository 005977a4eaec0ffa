"""What is kept is checked when it is used; folders that stay empty are not left; waits for locks are told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from patchkit import storage
from patchkit.errors import DiskFullError, StorageError
from patchkit.storage import check_writable, damaged_in, folder_made, keep, kept, locked, reading, replace_all, sum_of


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(storage, "_tell", lines.append)
    return lines


@pytest.mark.parametrize("damage", ["cut", "altered", "other sum", "no sum"])
def test_what_is_kept_is_checked(damage: str, tmp_path: Path, told: list[str]) -> None:
    path = tmp_path / "a.cache"
    assert kept(path) is None
    keep(path, b"answers")
    assert (kept(path), damaged_in(tmp_path, "*.cache"), told) == (b"answers", (1, []), [])
    if damage == "cut":
        path.write_bytes(b"answ")
    elif damage == "altered":
        path.write_bytes(b"Answers")
    elif damage == "other sum":
        sum_of(path).write_text("0" * 64)
    else:
        sum_of(path).unlink()
    assert kept(path) is None
    assert damaged_in(tmp_path, "*.cache") == (1, [path])
    assert told == [f"{path} is damaged: made anew"]


def test_a_full_disk_leaves_no_empty_folder(tiny_disk: Path) -> None:
    folder = tiny_disk / "a/b"
    with pytest.raises(DiskFullError), folder_made(folder):
        replace_all({folder / "x": b"x" * 200_000})
    assert list(tiny_disk.iterdir()) == []


def test_a_folder_with_something_in_it_stays(tmp_path: Path) -> None:
    folder = tmp_path / "a/b"
    with pytest.raises(StorageError), folder_made(folder), locked(folder, busy="it"), locked(folder, busy="it"):
        pass
    assert (folder / ".lock").exists()


HOLDER = """
import sys, time
from pathlib import Path
from patchkit.storage import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_wait_for_another_patchkit_is_told(tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_AT_ONCE", 0.05)
    monkeypatch.setattr(storage, "_BETWEEN", 0.1)
    monkeypatch.setattr(storage, "_LONGEST", 0.3)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match="another patchkit has held"), locked(tmp_path):
            pass
        other.communicate("\n")
    assert told[0].startswith("waiting for another patchkit, since ")
    with locked(tmp_path):
        pass


def test_what_helps_goes_by_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path, helps in (
        (tmp_path / "missing", f"check the name: ls {tmp_path}"),
        (tmp_path / "a/b", f"mkdir -p {tmp_path}/a"),
        (tmp_path, "name a file"),
        (tmp_path / "file/x", "a part of the path is a file"),
        (tmp_path / ("x" * 300), "a shorter name"),
    ):
        with pytest.raises(StorageError) as caught, reading(path):
            path.read_bytes()
        assert helps in caught.value.advice


def test_a_folder_in_which_nothing_can_be_made_is_refused_before_the_work() -> None:
    with pytest.raises(StorageError, match="can't write to /proc/x") as caught:
        check_writable(Path("/proc/x"), "--to")
    assert "no file can be made in /proc" in caught.value.why
    assert caught.value.advice == "give another --to"

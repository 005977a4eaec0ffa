"""Putting a tree on disk: whole under its name, or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from patchkit.errors import DiskFullError, GitError, PatchkitError, StorageError
from patchkit.source.tree.directory import tree_from
from patchkit.source.tree.tree import SYMLINK, Entry, Origin, SourceTree
from patchkit.source.tree.write import place
from tests.support.source.samples import DATE, FILES, folder_of

ORIGIN = Origin(kind="directory", name="made up", verified=False, epoch=DATE)


def tree(entries: dict[str, Entry] | None = None) -> SourceTree:
    plain = {path: Entry.of(data, mtime=DATE) for path, data in FILES.items()}
    return SourceTree(ORIGIN, {**plain, **(entries or {})})


def failing(error: BaseException) -> Entry:
    """An entry that can't be read any more."""

    def read() -> bytes:
        raise error

    return Entry(0o644, DATE, read)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_tree_is_placed_with_its_bytes_modes_times_and_links(tmp_path: Path) -> None:
    special = {
        "configure": Entry.of(b"#!/bin/sh\n", mode=0o755, mtime=DATE + 5),
        "src/link.c": Entry.of(b"openvpn/reliable.c", mode=SYMLINK, mtime=DATE),
    }
    target = tmp_path / "new/deep/folder"
    place(tree(special), target)
    assert {path: (target / path).read_bytes() for path in FILES} == FILES
    assert stat.S_IMODE((target / "configure").stat().st_mode) == 0o755
    assert stat.S_IMODE((target / "configure.ac").stat().st_mode) == 0o644
    assert (target / "configure").stat().st_mtime == DATE + 5
    assert (target / "src/link.c").readlink() == Path("openvpn/reliable.c")
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert left(target.parent) == ["folder"]


@pytest.mark.parametrize("mask", [0o077, 0o002])
def test_the_users_umask_changes_nothing(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        place(tree(), tmp_path / "folder")
    finally:
        os.umask(before)
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in (tmp_path / "folder").rglob("*")}
    assert modes == dict.fromkeys(("src", "openvpn"), "0o755") | dict.fromkeys(map(os.path.basename, FILES), "0o644")


def test_what_was_placed_reads_as_the_same_tree(tmp_path: Path) -> None:
    first = tree({"link": Entry.of(b"configure.ac", mode=SYMLINK), "run": Entry.of(b"", mode=0o755, mtime=DATE)})
    place(first, tmp_path / "folder")
    second = tree_from(tmp_path / "folder")
    assert {path: (entry.mode, entry.read()) for path, entry in second.entries.items()} == {
        path: (entry.mode, entry.read()) for path, entry in first.entries.items()
    }


def test_an_empty_folder_and_a_relative_path_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    place(tree(), tmp_path / "empty")
    assert tree_from(tmp_path / "empty").entries.keys() == FILES.keys()
    monkeypatch.chdir(tmp_path)
    place(tree(), Path("relative"))
    assert tree_from(tmp_path / "relative").entries.keys() == FILES.keys()


def test_a_folder_with_something_in_it_is_refused_and_kept(tmp_path: Path) -> None:
    folder_of({"precious": b"work"}, tmp_path / "mine")
    with pytest.raises(StorageError) as refused:
        place(tree(), tmp_path / "mine")
    assert refused.value.advice == "name a new folder"
    assert left(tmp_path / "mine") == ["precious"]
    assert left(tmp_path) == ["mine"]


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text("precious"),
        lambda path: path.symlink_to("nowhere"),
        os.mkfifo,
    ],
    ids=["file", "broken-link", "fifo"],
)
def test_anything_else_of_that_name_is_refused_and_kept(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "mine")
    before = (tmp_path / "mine").lstat()
    with pytest.raises(StorageError):
        place(tree(), tmp_path / "mine")
    after = (tmp_path / "mine").lstat()
    # Not its whole lstat: to look where a link leads may move its access time.
    assert (after.st_ino, after.st_mode, after.st_size, after.st_mtime_ns) == (
        before.st_ino, before.st_mode, before.st_size, before.st_mtime_ns,
    )  # fmt: skip
    assert left(tmp_path) == ["mine"]


@pytest.mark.parametrize(
    "error", [GitError("the clone is damaged"), KeyboardInterrupt(), ZeroDivisionError()], ids=repr
)
def test_a_tree_that_breaks_off_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        place(tree({"zzz": failing(error)}), tmp_path / "folder")
    assert left(tmp_path) == []


def test_a_full_disk_leaves_nothing(tiny_disk: Path) -> None:
    with pytest.raises(DiskFullError):
        place(tree({"large": Entry.of(bytes(100_000))}), tiny_disk / "folder")
    assert left(tiny_disk) == []


@pytest.mark.parametrize("path", ["../evil", "/{}/evil", "src/../../evil", "src/./evil"])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    # unpack refuses them too; this is the last door, and it serves git and folders as well.
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(PatchkitError):
        place(tree({path.format(home): Entry.of(b"evil")}), home / "folder")
    assert left(home) == []


def test_a_file_is_not_written_through_a_link(tmp_path: Path) -> None:
    elsewhere = folder_of({"precious": b"work"}, tmp_path / "elsewhere")
    through = {"out": Entry.of(os.fsencode(elsewhere), mode=SYMLINK), "out/precious": Entry.of(b"evil")}
    with pytest.raises(PatchkitError):
        place(tree(through), tmp_path / "folder")
    assert (elsewhere / "precious").read_bytes() == b"work"
    assert left(tmp_path) == ["elsewhere"]

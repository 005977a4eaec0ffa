"""Archives that the kernel unpacks: cpio says the same of them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from patchkit.lab.guest.initramfs import InitramfsFile, archive, link, regular

FILES = {
    "usr/bin/tool": regular(b"#!/bin/sh\n", executable=True),
    "usr/lib/name with blanks, ü": regular(b"x" * 5),
    "empty": regular(b""),
    "bin": link("usr/bin"),
    "tmp": InitramfsFile(stat.S_IFDIR | 0o755),
}


def entries(data: bytes) -> list[tuple[str, int, bytes]]:
    """Path, mode and contents, as buffer-format.rst says that they are."""
    members: list[tuple[str, int, bytes]] = []
    at = 0
    while data[at : at + 6] == b"070701":
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name_at = at + 110
        name = data[name_at : name_at + fields[11] - 1].decode()
        assert data[name_at + fields[11] - 1] == 0
        body = (name_at + fields[11] + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert not any(data[body:])
            return members
        members.append((name, fields[1], data[body : body + fields[6]]))
        at = (body + fields[6] + 3) // 4 * 4
    raise AssertionError("no trailer")


def test_folders_are_added_before_what_is_in_them() -> None:
    data = archive(FILES)
    members = entries(data)
    names = [name for name, _, _ in members]
    assert names == sorted({*FILES, "usr", "usr/bin", "usr/lib"})
    modes = {name: mode for name, mode, _ in members}
    assert modes["usr"] == stat.S_IFDIR | 0o755
    assert {name: InitramfsFile(mode, content) for name, mode, content in members if name in FILES} == FILES
    assert len(data) % 512 == 0


def test_the_same_files_are_the_same_bytes() -> None:
    assert archive(FILES) == archive(dict(reversed(FILES.items())))
    assert entries(archive({})) == []


def test_a_folder_that_is_named_keeps_its_mode_and_a_link_is_none() -> None:
    named = archive(
        {"a": InitramfsFile(stat.S_IFDIR | 0o700), "a/b": regular(b""), "c": link("a"), "c/d": regular(b"")}
    )
    assert {name: mode for name, mode, _ in entries(named)} == {
        "a": stat.S_IFDIR | 0o700, "a/b": stat.S_IFREG | 0o644, "c": stat.S_IFLNK | 0o777, "c/d": stat.S_IFREG | 0o644,
    }  # fmt: skip


@pytest.mark.skipif(shutil.which("cpio") is None, reason="wants cpio")
def test_cpio_unpacks_it(tmp_path: Path) -> None:
    command = ["cpio", "--extract", "--quiet", "--no-absolute-filenames", "--no-preserve-owner"]
    done = subprocess.run(command, input=archive(FILES), cwd=tmp_path, check=True, capture_output=True)
    assert done.stderr == b""
    for name, file in FILES.items():
        path = tmp_path / name
        assert stat.S_IFMT(path.lstat().st_mode) == stat.S_IFMT(file.mode)
        if stat.S_ISREG(file.mode):
            assert path.read_bytes() == file.data
            assert os.access(path, os.X_OK) == bool(file.mode & 0o100)
    assert (tmp_path / "bin").readlink() == Path("usr/bin")
    assert (tmp_path / "bin/tool").exists()

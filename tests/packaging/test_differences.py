"""Which members, sections and bytes of two archives differ."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from patchkit.errors import ArtifactError
from patchkit.packaging.archive import release_archive
from patchkit.packaging.bundle import release_zip
from patchkit.packaging.contents import members
from patchkit.packaging.differences import differences

NAME = "a-1.tar.gz"
PROGRAM = Path("/bin/true").read_bytes()


def installed(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"local/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def packed(epoch: int = 0, **files: bytes) -> bytes:
    return release_archive(installed(**files), "a-1", epoch, {})


def test_equal_archives_have_none() -> None:
    assert differences(NAME, packed(x=b"1"), packed(x=b"1")) == []


def test_members_that_one_of_them_lacks() -> None:
    assert differences(NAME, packed(x=b"1", y=b"2"), packed(x=b"1", z=b"3")) == [
        "y: only in the artifact",
        "z: only in what was built again",
    ]


def test_bytes_and_time_stamps() -> None:
    assert differences(NAME, packed(x=b"same 1"), packed(5, x=b"same 23")) == [
        "x: time stamp 0 became 5",
        "x: from byte 5 on, 31 became 32 33, 6 bytes became 7",
    ]


def test_sections_of_a_program_are_named() -> None:
    at = PROGRAM.index(b"GNU coreutils")  # a text of its read-only data
    other = PROGRAM[:at] + b"gnu" + PROGRAM[at + 3 :]
    (line,) = differences(NAME, packed(x=PROGRAM), packed(x=other))
    assert line.startswith("x: section .rodata: from byte ")
    assert "47 4e 55 20" in line
    assert "67 6e 75 20" in line


def test_a_stream_that_another_zlib_packed() -> None:
    archive = packed(x=b"1" * 100)

    again = gzip.compress(gzip.decompress(archive), compresslevel=1, mtime=0)
    (line,) = differences(NAME, archive, again)
    assert "another zlib" in line


def test_zips_are_read_as_well() -> None:
    files = installed(**{"sbin/openvpn.exe": b"MZ1"}), installed(**{"sbin/openvpn.exe": b"MZ2"})
    old, new = (release_zip(tree, "a-1", 0, {}, {}) for tree in files)
    assert differences("a-1.zip", old, new) == ["bin/openvpn.exe: from byte 2 on, 31 became 32"]
    assert members("a-1.zip", old)["bin/openvpn.exe"].is_program


def test_other_files_are_compared_as_they_are() -> None:
    assert differences("a.diff", b"abc", b"ab") == ["a.diff: from byte 2 on, 63 became the end, 3 bytes became 2"]


@pytest.mark.parametrize("name", ["a-1.tar.gz", "a-1.zip"])
@pytest.mark.parametrize("data", [b"", b"nothing", packed(x=b"1" * 1000)[:-9]])
def test_a_damaged_archive_is_an_error(name: str, data: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"a-1\..* can't be unpacked"):
        members(name, data)

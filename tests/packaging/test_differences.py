"""Which members, sections and bytes of two archives differ."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
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
    import gzip

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


def bomb(kind: str) -> bytes:
    """A megabyte more than is unpacked, packed as a small part of it."""
    out, size = io.BytesIO(), 257 << 20
    if kind == "zip":
        with (
            zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
            packed.open("a/x", "w") as member,
        ):
            for _ in range(size >> 20):
                member.write(bytes(1 << 20))
    elif kind == "gzip":
        with gzip.open(out, "w", compresslevel=1) as stream:
            for _ in range(size >> 20):
                stream.write(bytes(1 << 20))
    else:
        info = tarfile.TarInfo("a/x")
        info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(size), "GNU.sparse.numblocks": "1"}
        info.size = 1
        with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(info, io.BytesIO(b"x"))
    return out.getvalue()


@pytest.mark.parametrize("kind", ["zip", "gzip", "sparse"])
def test_what_unpacks_to_too_much_is_refused(kind: str) -> None:
    with pytest.raises(ArtifactError, match=r"a-1\..* can't be unpacked") as caught:
        members("a-1.zip" if kind == "zip" else NAME, bomb(kind))
    assert caught.value.why == ("it has a sparse file" if kind == "sparse" else "it unpacks to more than 128 MiB")


@pytest.mark.parametrize("name", ["a-1.tar.gz", "a-1.zip"])
@pytest.mark.parametrize("data", [b"", b"nothing", packed(x=b"1" * 1000)[:-9]])
def test_a_damaged_archive_is_an_error(name: str, data: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"a-1\..* can't be unpacked"):
        members(name, data)

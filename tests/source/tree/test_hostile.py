"""Trees made to take all of a machine's time or memory end with an error, soon and in little room."""

from __future__ import annotations

import gzip
import lzma
import os
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from patchkit.errors import BadSourceError, GitError, UnsafeArchiveError
from patchkit.source.git import commit_tree, repository
from patchkit.source.tree.directory import any_tree
from patchkit.source.tree.links import check_tree
from patchkit.source.tree.tarball import as_tree
from patchkit.source.tree.tree import SYMLINK, Entry, Origin
from patchkit.source.tree.write import place
from tests.support.source.samples import Member, Repository, raw_tree, tar_of

ORIGIN = Origin(kind="tarball", name="hostile.tar", verified=False, epoch=0)
SECONDS = 10
MEGABYTES = 500


def header(kind: bytes, data: bytes, name: str = "top/x") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)


def records(pairs: list[tuple[str, str]]) -> bytes:
    out = b""
    for key, value in pairs:
        text = f" {key}={value}\n".encode()
        length = len(text) + 1
        while len(str(length)) + len(text) != length:
            length = len(str(length)) + len(text)
        out += str(length).encode() + text
    return out


def links_in_links() -> bytes:
    """Links with as many steps as fit, of which each is looked up."""
    return tar_of(Member("top/a", b"a"), *(
        Member(f"top/{number}", kind=tarfile.SYMTYPE, target="x/../" * 2000 + "a") for number in range(200)
    ))  # fmt: skip


def global_headers() -> bytes:
    """A global header of 200 kB, of which each member would get a copy."""
    many = header(tarfile.XGLTYPE, records([(f"k{number}", "") for number in range(20_000)]))
    return many + b"".join(header(tarfile.REGTYPE, b"", f"top/{number}") for number in range(2000)) + bytes(1024)


def endless_sparse_map() -> bytes:
    """A sparse file of format 1.0 whose map has no end: tarfile looks for a line end behind the file's end."""
    pax = records([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "x")])
    return header(tarfile.XHDTYPE, pax) + header(tarfile.REGTYPE, b"9" * 600) + bytes(1024)


def headers_of_headers() -> bytes:
    return header(tarfile.XHDTYPE, records([("a", "b")])) * 5000 + header(tarfile.REGTYPE, b"") + bytes(1024)


def long_name() -> bytes:
    return header(tarfile.GNUTYPE_LONGNAME, b"top" + b"/a" * 500_000) + header(tarfile.REGTYPE, b"") + bytes(1024)


def deep_paths() -> bytes:
    members = [Member("top/" + "a/" * 900 + str(number), b"") for number in range(300)]
    return tar_of(*members)


def dictionary_of_gigabytes() -> bytes:
    """An xz file whose header asks for a dictionary of 1.5 GiB."""
    packed = bytearray(
        lzma.compress(tar_of(Member("top/a", b"a")), filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}])
    )
    packed[16] = 37  # the size of the dictionary, in the header of the block at 12
    end = 12 + (packed[12] + 1) * 4 - 4
    packed[end : end + 4] = zlib.crc32(packed[12:end]).to_bytes(4, "little")
    return bytes(packed)


def streams_of_nothing() -> bytes:
    """A million gzip files behind each other, as gzip allows, and each is empty."""
    return gzip.compress(b"", 9) * 1_500_000


HOSTILE = [
    streams_of_nothing,
    links_in_links,
    global_headers,
    endless_sparse_map,
    headers_of_headers,
    long_name,
    deep_paths,
    dictionary_of_gigabytes,
]

IN_A_CHILD = """
import resource, sys, time
from patchkit.errors import PatchkitError
from patchkit.source.tree.tarball import as_tree
from patchkit.source.tree.tree import Origin
from pathlib import Path
data = Path(sys.argv[1]).read_bytes()
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]), int(sys.argv[2])))
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]) << 20,) * 2)
try:
    as_tree(data, Origin(kind="tarball", name="x", verified=False, epoch=0))
except PatchkitError as error:
    print(error.name, error.why[:100])
"""


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_hostile_tarballs(make: Callable[[], bytes], pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    if make is dictionary_of_gigabytes and pack is not bytes:
        pytest.skip("xz inside gz is not read")
    path = tmp_path / "hostile.tar"
    path.write_bytes(pack(make()))
    done = subprocess.run(
        [sys.executable, "-c", IN_A_CHILD, path, str(SECONDS), str(MEGABYTES)],
        capture_output=True, text=True, check=False, timeout=10 * SECONDS,
    )  # fmt: skip
    assert done.stdout.startswith("UnsafeArchiveError "), (done.returncode, done.stderr)


@pytest.mark.slow
def test_a_tarball_as_large_as_may_be(tmp_path: Path) -> None:
    """200 MB that do not compress are read, or refused, within the promise's limits."""
    path = tmp_path / "large.tar.gz"
    members = [Member(f"top/{number}", os.urandom(1 << 20)) for number in range(190)]
    path.write_bytes(gzip.compress(tar_of(*members), 1))
    done = subprocess.run(
        [sys.executable, "-c", IN_A_CHILD, path, str(SECONDS), str(MEGABYTES)],
        capture_output=True, text=True, check=False, timeout=10 * SECONDS,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_sparse_file_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "big.tar").open("wb") as file:
        file.truncate(30 << 30)
    with pytest.raises(BadSourceError, match="larger than 200 MiB"):
        any_tree(tmp_path / "big.tar", "--source")


def test_a_folder_of_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from patchkit.source.tree import directory

    monkeypatch.setattr(directory, "MAX_MEMBERS", 5)
    for number in range(6):
        (tmp_path / str(number)).touch()
    with pytest.raises(BadSourceError, match="more than 5 files"):
        any_tree(tmp_path, "--source")


def test_a_blob_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Repository(tmp_path / "made")
    commit = made.commit({"configure.ac": b"x" * 5000})
    monkeypatch.setattr(commit_tree, "_LARGEST", 4999)
    found = repository.open_repository(made.path)
    tree = commit_tree.tree_of(found.commit(commit), "x", "x", None)
    with pytest.raises(GitError, match="has 5000 bytes"):
        tree.read("configure.ac")
    found.close()


def test_a_tree_that_holds_itself_many_times(tmp_path: Path) -> None:
    """Ten folders of ten folders, nine deep: a thousand million files in some objects."""
    made = Repository(tmp_path / "made")
    blob = made.object("blob", b"x")
    inner = made.object("tree", raw_tree(*(("100644", str(number), blob) for number in range(10))))
    for _ in range(8):
        inner = made.object("tree", raw_tree(*(("40000", str(number), inner) for number in range(10))))
    commit = made.commit_tree(inner, "bomb")
    found = repository.open_repository(made.path)
    tree = commit_tree.tree_of(found.commit(commit or "bomb"), "bomb", "x", None)
    with pytest.raises(GitError, match="more than 50000 files"):
        list(tree.entries)
    found.close()


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "x/../../secret", "here/../secret"])
def test_links_that_lead_out_are_refused_wherever_they_come_from(target: str, tmp_path: Path) -> None:
    link = Entry.of(target.encode(), mode=SYMLINK)
    entries = {"a": Entry.of(b"a"), "here": Entry.of(b".", mode=SYMLINK), "link": link}
    with pytest.raises(UnsafeArchiveError):
        check_tree(entries, "x")
    with pytest.raises(UnsafeArchiveError):
        as_tree(tar_of(Member("top/here", kind=tarfile.SYMTYPE, target="."),
                       Member("top/link", kind=tarfile.SYMTYPE, target=target)), ORIGIN)  # fmt: skip
    made = Repository(tmp_path / "made")
    rows = [(mode, name, made.object("blob", data)) for mode, name, data in (
        ("120000", "here", b"."), ("120000", "link", target.encode()))]  # fmt: skip
    commit = made.commit_tree(made.object("tree", raw_tree(*rows)), "links")
    found = repository.open_repository(made.path)
    with pytest.raises(UnsafeArchiveError):
        place(commit_tree.tree_of(found.commit(commit or "links"), "links", "x", None), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    found.close()

"""Archives that nobody's build made: they are refused, soon and in little room, and never with another error."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable

import pytest

from patchkit.errors import ArtifactError
from patchkit.packaging import oci
from patchkit.packaging.contents import members


def zipped(compression: int = zipfile.ZIP_DEFLATED, *, count: int = 1, size: int = 1) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as packed:
        for number in range(count):
            packed.writestr(f"top/{number}", bytes(size))
    return out.getvalue()


def with_a_password() -> bytes:
    data = bytearray(zipped())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + place] |= 1
    return bytes(data)


def tarred(*infos: tarfile.TarInfo, head: bytes = b"") -> bytes:
    return head + b"".join(info.tobuf(tarfile.GNU_FORMAT) for info in infos) + bytes(1024)


def sparse() -> bytes:
    """A file of 100 GB that takes no room."""
    info = tarfile.TarInfo("index.json")
    info.type = tarfile.GNUTYPE_SPARSE
    data = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    data[483:495] = b"\x80" + (100 << 30).to_bytes(11, "big")
    data[148:156] = b"%06o\0 " % (256 + sum(data[:148]) + sum(data[156:]))
    return bytes(data) + bytes(1024)


def header_of_gigabytes() -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 8 << 30
    return tarred(info)


def many_members() -> bytes:
    return tarfile.TarInfo("top/x").tobuf() * 60_000 + bytes(1024)


HOSTILE = [
    ("a.zip", with_a_password),
    ("a.zip", lambda: zipped(zipfile.ZIP_BZIP2)),
    ("a.zip", lambda: zipped(zipfile.ZIP_LZMA)),
    ("a.zip", lambda: zipped(count=60_000)),
    ("a.zip", lambda: zipped()[:-30]),
    ("a.tar.gz", sparse),
    ("a.tar.gz", header_of_gigabytes),
    ("a.tar.gz", many_members),
    ("a.tar.gz", lambda: gzip.compress(b"") * 20_000),
    ("a.tar.gz", lambda: gzip.compress(tarred(tarfile.TarInfo("top/x")))[:-9]),
]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.zip", lambda: zipped(size=129 << 20)),
        ("a.tar.gz", lambda: gzip.compress(bytes(129 << 20), 1)),
        ("a.tar.gz", lambda: lzma.compress(bytes(129 << 20), preset=0)),
    ],
    ids=["zip", "gzip", "xz"],
)
def test_what_unpacks_to_too_much_is_refused(name: str, make: Callable[[], bytes]) -> None:
    with pytest.raises(ArtifactError, match=r"a\..* can't be unpacked") as caught:
        members(name, make())
    assert caught.value.why == "it unpacks to more than 128 MiB"


def test_a_sparse_file_is_refused() -> None:
    """It has more bytes than stand in the archive."""
    out, info = io.BytesIO(), tarfile.TarInfo("a/x")
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(129 << 20), "GNU.sparse.numblocks": "1"}
    info.size = 1
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(ArtifactError, match="can't be unpacked") as caught:
        members("a.tar.gz", out.getvalue())
    assert caught.value.why == "it has a sparse file"


@pytest.mark.parametrize(("name", "make"), HOSTILE)
def test_hostile_archives(name: str, make: Callable[[], bytes]) -> None:
    with pytest.raises(ArtifactError, match="can't be unpacked") as caught:
        members(name, make())
    assert caught.value.why


@pytest.mark.parametrize("make", [sparse, header_of_gigabytes, many_members])
def test_hostile_images(make: Callable[[], bytes]) -> None:
    with pytest.raises(ArtifactError, match="is not a whole image"):
        oci.image_platforms("a.oci.tar", make())


@pytest.mark.parametrize("index", [b"[" * 100_000, b"[]", b"1", b'{"manifests": 1}', b'{"manifests": [1]}', b"{}"])
def test_images_whose_index_is_none(index: bytes) -> None:
    info = tarfile.TarInfo("index.json")
    info.size = len(index)
    data = info.tobuf() + index + bytes(-len(index) % 512) + bytes(1024)
    with pytest.raises(ArtifactError, match="is not a whole image"):
        oci.image_platforms("a.oci.tar", data)

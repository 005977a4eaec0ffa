"""Debian packages: opened, refused, listed, and where they are looked for."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import GuestError, StorageError
from patchkit.lab.guest.packages import PINS, Package, Pins, fetched, members, pins
from patchkit.ui import Ui

PACKAGE = """
suite = "trixie"
snapshot = "20260101T000000Z"

[[package]]
name = "linux-image-6.12.1-cloud-amd64"
version = "6.12.1-1"
file = "pool/main/l/linux/linux-image_6.12.1-1_amd64.deb"
size = 1
sha256 = "00"
"""


def tar(packing: str = "xz") -> bytes:
    """Odd lengths, a link, a hard link and a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{packing}") as archive:  # type: ignore[call-overload]
        for name, data in (("./usr/bin/one", b"1\n\n"), ("./empty", b"")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o755
            archive.addfile(entry, io.BytesIO(data))
        for name, kind in (("./soft", tarfile.SYMTYPE), ("./hard", tarfile.LNKTYPE), ("./usr", tarfile.DIRTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type = kind
            entry.linkname = "./usr/bin/one" if kind != tarfile.DIRTYPE else ""
            archive.addfile(entry)
    return out.getvalue()


def ar(*parts: tuple[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, data in parts:
        out += b"%-16b%-12d%-6d%-6d%-8o%-10d`\n" % (name.encode(), 0, 0, 0, 0o100644, len(data))
        out += data + b"\n" * (len(data) % 2)
    return out


def deb(data: bytes | None = None, name: str = "data.tar.xz") -> bytes:
    return ar(("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), (name, tar() if data is None else data))


def opened(path: Path, content: bytes) -> list[tuple[str, bytes]]:
    path.write_bytes(content)
    return [(member.name, data) for member, data in members(path)]


@pytest.mark.parametrize(("packing", "end"), [("xz", ".xz"), ("gz", ".gz"), ("", "")])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_package_is_opened(tmp_path: Path, packing: str, end: str, slash: str) -> None:
    assert opened(tmp_path / "a.deb", deb(tar(packing), f"data.tar{end}{slash}")) == [
        ("./usr/bin/one", b"1\n\n"),
        ("./empty", b""),
        ("./soft", b""),
        ("./hard", b"1\n\n"),
        ("./usr", b""),
    ]


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="wants dpkg-deb")
@pytest.mark.parametrize("packing", ["xz", "gzip", "none"])
def test_a_package_of_dpkg_is_opened(tmp_path: Path, packing: str) -> None:
    (tmp_path / "tree/DEBIAN").mkdir(parents=True)
    (tmp_path / "tree/DEBIAN/control").write_text(
        "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: none\n"
    )
    (tmp_path / "tree/hello").write_text("there")
    subprocess.run(["dpkg-deb", "-b", f"-Z{packing}", "tree", "a.deb"], cwd=tmp_path, check=True, capture_output=True)
    contents = {member.name: data for member, data in members(tmp_path / "a.deb") if member.isreg()}
    assert contents == {"./hello": b"there"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no package",
        b"!<arch>\n",
        deb(name="data.tar.zst"),
        ar(("debian-binary", b"2.0\n")),
        deb()[:100],
        b"!<arch>\n" + b"x" * 60,
        b"!<arch>\n" + b"%-48b%-10d`\n" % (b"debian-binary", -60),
        deb(b"neither tar nor xz"),
        deb(tar()[:100]),
        deb(tar("gz")[:60], "data.tar.gz"),
        deb(tar("")[:700], "data.tar"),
    ],
    ids=range(12),
)
def test_what_is_no_package_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(GuestError, match=r"a\.deb is (not a Debian package|damaged)"):
        opened(tmp_path / "a.deb", content)


def test_a_package_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        list(members(tmp_path / "missing.deb"))


def test_patchkits_own_pins() -> None:
    own = pins()
    assert own.package[0].file_name.startswith(f"linux-image-{own.kernel}_")
    assert len({package.name for package in own.package}) == len(own.package)
    for package in own.package:
        assert package.file.startswith("pool/main/")
        assert package.file_name.endswith(("_amd64.deb", "_all.deb"))
        assert len(bytes.fromhex(package.sha256)) == 32
        assert package.size > 0


def test_pins_of_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "guest.toml"
    path.write_text(PACKAGE)
    monkeypatch.setenv("PATCHKIT_GUEST", str(path))
    assert pins().kernel == "6.12.1-cloud-amd64"
    monkeypatch.setenv("PATCHKIT_GUEST", "")
    assert pins().suite == Pins.model_validate(pins().model_dump()).suite
    monkeypatch.setenv("PATCHKIT_GUEST", str(tmp_path))
    with pytest.raises(StorageError):
        pins()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"no toml",
        PACKAGE.replace("size", "length").encode(),
        PACKAGE.encode() + b"more = 1\n",
        b'suite = "trixie"\nsnapshot = "x"\npackage = []\n',
    ],
    ids=range(6),
)
def test_a_file_that_lists_no_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    (tmp_path / "guest.toml").write_bytes(content)
    monkeypatch.setenv("PATCHKIT_GUEST", str(tmp_path / "guest.toml"))
    with pytest.raises(GuestError, match="does not list a guest's packages"):
        pins()


def test_packages_come_from_a_mirror_and_without_one_the_way_out_is_named(
    tmp_path: Path, cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = deb()
    package = Package(
        name="linux-image-1", version="1", file="pool/main/l/a_1.deb", size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    package_pins = Pins(suite="trixie", snapshot="20260101T000000Z", package=[package])
    with pytest.raises(GuestError, match="lacks a package") as caught:
        fetched(package_pins, Context(cache, ui, offline=True))
    assert "PATCHKIT_GUEST" in caught.value.advice or "PATCHKIT_MIRROR" in caught.value.advice
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/a_1.deb").write_bytes(content)
    monkeypatch.setenv("PATCHKIT_MIRROR", str(tmp_path / "mirror"))
    (path,) = fetched(package_pins, Context(cache, ui, offline=True))
    assert path.read_bytes() == content
    assert PINS.is_file()

"""The zip for Windows: what goes where, and the same bytes whenever it is packed."""

from __future__ import annotations

import io
import tarfile
import time
import zipfile

import pytest

from patchkit.packaging.bundle import programs, release_zip

FILES = {
    "sbin/openvpn.exe": b"MZ one",
    "lib/libopenvpnmsica.la": b"libtool's",
    "sbin/tapctl.exe": b"MZ two",
    "share/doc/openvpn/COPYING": b"GPL",
    "share/man/man8/openvpn.8": b".TH",
    "include/openvpn-plugin.h": b"#define",
}


def installed(*, backwards: bool = False) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, data in sorted(FILES.items(), reverse=backwards):
            info = tarfile.TarInfo(f"local/{path}")
            info.size, info.mtime = len(data), int(time.time()) - backwards
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_where_things_are() -> None:
    packed = release_zip(installed(), "it", 1_700_000_001, {"doc/it.diff": b"diff"}, {"tapctl.exe": b"MZ signed"})
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == {
            "it/bin/openvpn.exe": b"MZ one",
            "it/bin/tapctl.exe": b"MZ signed",
            "it/doc/COPYING": b"GPL",
            "it/doc/it.diff": b"diff",
            "it/include/openvpn-plugin.h": b"#define",
        }
        assert opened.namelist() == sorted(opened.namelist())
        assert {member.date_time for member in opened.infolist()} == {(2023, 11, 14, 22, 13, 21)} or {
            member.date_time for member in opened.infolist()
        } == {(2023, 11, 14, 22, 13, 20)}
        modes = {member.filename: member.external_attr >> 16 & 0o777 for member in opened.infolist()}
    assert (modes["it/bin/openvpn.exe"], modes["it/doc/COPYING"]) == (0o755, 0o644)


def test_the_programs_are_those_in_bin() -> None:
    assert programs(installed()) == {"openvpn.exe": b"MZ one", "tapctl.exe": b"MZ two"}


@pytest.mark.parametrize("epoch", [0, 1_700_000_000])
def test_neither_order_nor_clock_shows(epoch: int) -> None:
    """And a source without a date gets the first that a zip can say."""
    assert release_zip(installed(), "it", epoch, {}, {}) == release_zip(installed(backwards=True), "it", epoch, {}, {})

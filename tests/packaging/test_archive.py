"""Archives whose bytes depend on their contents alone."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from patchkit.packaging.archive import release_archive


def installed(folder: Path, order: list[str], mtime: int) -> bytes:
    """A tar as a workspace gives it, with files in an order and with times of the test's choosing."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in order:
            info = tarfile.TarInfo(f"local/{name}")
            data = name.encode()
            info.size, info.mtime, info.uname, info.uid = len(data), mtime, "somebody", mtime % 1000
            info.mode = 0o775 if name.startswith("sbin/") else 0o664
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_two_days_two_orders_two_owners_one_archive(tmp_path: Path) -> None:
    names = ["sbin/openvpn", "share/man/man8/openvpn.8", "lib/x.la"]
    first = release_archive(installed(tmp_path, names, 1), "top", 1700000000, {"share/a.diff": b"d"})
    second = release_archive(installed(tmp_path, names[::-1], 99999), "top", 1700000000, {"share/a.diff": b"d"})
    assert first == second


def test_contents_modes_and_times(tmp_path: Path) -> None:
    packed = release_archive(installed(tmp_path, ["sbin/openvpn", "lib/x.la"], 7), "top", 1700000000, {"a.diff": b"d"})
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as archive:
        members = {member.name: (member.mode, member.mtime, member.uid, member.uname) for member in archive}
    assert members == {"top/a.diff": (0o644, 1700000000, 0, ""), "top/sbin/openvpn": (0o755, 1700000000, 0, "")}
    assert packed[4:10] == b"\0\0\0\0\x02\xff"  # no time stamp, best compression, no system: on any Python

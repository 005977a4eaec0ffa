"""What SBOMs of made-up artifacts are of: an archive, a change, a system, and shared libraries."""

from __future__ import annotations

import stat

from patchkit.building.inventory import InstalledPackage, Inventory, SharedLibrary
from patchkit.packaging.contents import Member

DIFF = b"--- a/x\n+++ b/x\n"
PROGRAM = Member(stat.S_IFREG | 0o755, "0", b"\x7fELF and more")
CONTENTS = {"sbin/openvpn": PROGRAM, "share/man/openvpn.8": Member(stat.S_IFREG | 0o644, "0", b".TH")}


def package(name: str, version: str, source: str, architecture: str = "amd64") -> InstalledPackage:
    return InstalledPackage(name, architecture, version, source, version, "0" * 64)


LIBC = package("libc6", "2.36-9+deb12u14", "glibc")
SYSTEM = Inventory(
    {},
    [
        package("gcc-12", "12.2.0-14", "gcc-12"), package("libc6-dev", LIBC.version, "glibc"),
        package("libgcc-12-dev", "12.2.0-14", "gcc-12"), package("libgcc-12-dev-arm64-cross", "12", "gcc-12-cross"),
        package("mingw-w64-x86-64-dev", "10.0.0-3", "mingw-w64"),
    ],
)  # fmt: skip
LOADED = [SharedLibrary("libc.so.6", "1" * 64, LIBC), SharedLibrary("libown.so.1", "2" * 64, None)]

"""One build with everything that a build can make of it, which all tests of packages share."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.conftest import PINNED
from tests.support.jobs.builds import run

NAME = f"openvpn-{PINNED}+recommended-linux-amd64"
DEB = f"openvpn-patched_{PINNED}+recommended-1_amd64.deb"
RPM = f"openvpn-patched-{PINNED}+recommended-1.x86_64.rpm"
IMAGE = f"{NAME}.oci.tar"
SOURCE = f"{NAME}-source.tar"


def kinds() -> list[str]:
    """The kinds of packages that this machine can make: a .deb and an .rpm take tools of their own."""
    tools = {"deb": "dpkg-deb", "rpm": "rpmbuild"}
    return ["oci", *(kind for kind, tool in tools.items() if shutil.which(tool))]


def built(out: Path) -> Path:
    """Build ``recommended`` with its packages and its source into ``out``."""
    options = ["--package", ",".join(kinds()), "--with-source", "--out", str(out)]
    run("build", "--version", PINNED, "--engine", "host", *options)
    return out

"""Entries of a manifest as a build makes them, with other values where a test needs them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from patchkit import __version__, resources
from patchkit.packaging import manifest
from patchkit.packaging.dist import described

PINNED = manifest.Crypto(
    choice="pinned", library="openssl-3.5", version="3.5.7", linked="static", verified=True,
    source=manifest.Source(kind="tarball", name="openssl-3.5.7.tar.gz", verified=True, sha256="3" * 64, epoch=0),
)  # fmt: skip
LZO = manifest.StaticLibrary(
    name="lzo",
    version="2.10",
    source=manifest.Source(kind="tarball", name="lzo", verified=True, sha256="4" * 64, epoch=0),
)


def artifact(
    *,
    name: str = "openvpn-2.6.14+recommended-linux-amd64",
    release: str = "2.6.14",
    source: Mapping[str, Any] | None = None,
    files: Mapping[str, bytes] | None = None,
    vulnerabilities: Sequence[manifest.Vulnerability] = (),
    **build: Any,
) -> manifest.Artifact:
    """An artifact of this patchkit's, of a pinned tarball with the system's OpenSSL unless something else is given."""
    origin = {"kind": "tarball", "name": "openvpn-2.6.14.tar.gz", "verified": True, "epoch": 1_600_000_000}
    system = manifest.Crypto(choice="system", library="system", version="3.0", linked="shared", verified=None)
    compiled = {
        "target": "linux-amd64", "triplet": "x86_64-linux-gnu", "engine": "host", "compiler": "cc 12", "packages": {},
        "configure": [], "cppflags": [], "cflags": ["-O2"], "ldflags": [], "crypto": system, "glibc": "2.34",
    }  # fmt: skip
    return manifest.Artifact(
        name=name,
        version=f"{release}+recommended",
        release=release,
        series="2.6",
        patchkit=__version__,
        patchkit_sha256=resources.fingerprint(),
        inputs="0" * 64,
        source=manifest.Source(**{**origin, **(source or {})}),
        patch=manifest.Patch(variant="recommended", status="improved", guard=False, diff_sha256="0" * 64, files=[]),
        build=manifest.Build(**{**compiled, **build}),
        checks=[],
        vulnerabilities=list(vulnerabilities),
        files=[described(file, data) for file, data in (files or {f"{name}.tar.gz": b"1"}).items()],
    )


def changed(path: Path, **values: Any) -> Path:
    """The manifest ``path`` with other values in its first artifact; a name with two underscores is one of a part."""
    document = json.loads(path.read_text())
    for name, value in values.items():
        outer, _, inner = name.partition("__")
        place = document["artifacts"][0]
        if inner:
            place[outer][inner] = value
        else:
            place[outer] = value
    path.write_text(json.dumps(document))
    return path

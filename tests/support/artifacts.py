"""Artifacts that nobody built, for tests of what is done with them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from patchkit.packaging import manifest
from patchkit.packaging.dist import CHECKSUMS, described


def artifact(name: str, files: dict[str, bytes], inputs: str = "i") -> manifest.Artifact:
    return manifest.Artifact(
        name=name,
        version="1",
        release="1",
        series="1",
        patchkit="0",
        inputs=inputs,
        source=manifest.Source(kind="tarball", name="x", verified=True, epoch=0),
        patch=manifest.Patch(variant="stock", status="faithful", guard=False, diff_sha256=None, files=[]),
        build=manifest.Build(
            target="t", triplet="t", engine="host", compiler="c", packages={}, configure=[], cppflags=[], cflags=[],
            ldflags=[],
        ),
        checks=[],
        files=[described(file, data) for file, data in files.items()],
    )  # fmt: skip


def check(folder: Path) -> None:
    """Real sha256sum must agree."""
    subprocess.run(["sha256sum", "--strict", "--check", CHECKSUMS], cwd=folder, check=True, capture_output=True)

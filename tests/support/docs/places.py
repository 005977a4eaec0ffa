"""Folders that a section of a document supposes: an unpacked source package, a clone of upstream's repository."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.conftest import PINNED

Execute = Callable[[str, Path], subprocess.CompletedProcess[str]]
"""Runs a command line in a folder; fails the test where it fails."""


def unpacked(scratch: Path, execute: Execute) -> Path:
    """The source of PINNED, in a new folder below ``scratch``."""
    folder = scratch / f"openvpn-{PINNED}-{len(list(scratch.iterdir()))}"
    execute(f"patchkit fetch --version {PINNED} --to {folder}", scratch)
    return folder


def clone(scratch: Path, execute: Execute) -> Path:
    """A git repository whose one commit is the source of PINNED, with upstream's tag on it."""
    folder = unpacked(scratch, execute)
    for line in ("git init -q", "git add -A", "git commit -q -m release", f"git tag v{PINNED}"):
        execute(line, folder)
    return folder


PLACES: Mapping[tuple[str, str], Callable[[Path, Execute], Path]] = {
    ("docs/export.md", "A Debian source package"): unpacked,
    ("docs/export.md", "A git branch"): clone,
    ("docs/export.md", "Anything else"): unpacked,
}
"""Where the commands below a document's heading run; all others run in the document's scratch folder."""

"""What tests of git repositories share: pins, places, and the git processes that are left."""

from __future__ import annotations

import os
from pathlib import Path

from patchkit.releases.catalog import TagPin
from patchkit.source.tree.tree import SourceTree
from tests.support.source.samples import Repository

TAG = "v2.9.1"


def pin_of(repository: Repository, tag: str = TAG) -> TagPin:
    """Return the pin of ``tag`` as it is in ``repository``."""
    return TagPin(
        name=tag,
        date="2023-11-14",
        commit=repository.git("rev-parse", f"{tag}^{{commit}}"),
        tree=repository.git("rev-parse", f"{tag}^{{tree}}"),
        blobs={},
    )


def reliable(tree: SourceTree) -> bytes:
    """Return what the tree has as reliable.c."""
    return tree.read("src/openvpn/reliable.c")


def places(repository: Repository) -> list[str]:
    """Return the repository's path, which is read in place, and its URL, which is fetched."""
    return [str(repository.path), repository.url]


def git_processes() -> set[int]:
    """Return the git processes that this process has started and that still run."""
    processes = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = status.read_text().rsplit(")", 1)
        except OSError:
            continue  # it has just ended
        state, parent = rest.split()[:2]
        if int(parent) == os.getpid() and name.endswith("(git") and state != "Z":
            processes.add(int(status.parent.name))
    return processes

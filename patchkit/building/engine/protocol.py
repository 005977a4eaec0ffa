"""One protocol for the places where commands run: a container, or this host."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from typing import Literal, Protocol

from patchkit.building.toolchain import Toolchain

OWNER = 1000
"""Who owns the files of a workspace in a container; a host workspace belongs to whoever runs patchkit."""

EngineName = Literal["auto", "docker", "host"]


def cores() -> int:
    """How many processes can work side by side here: what this one may use, not what the machine has."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Identity:
    """What a toolchain is made of on one engine, as far as its packages tell."""

    engine: Literal["docker", "host"]
    compiler: str
    """The first line of ``cc --version``, or of the cross compiler's."""
    packages: Mapping[str, str]
    """Versions of the Debian packages in the toolchain's list; empty where dpkg is not at hand."""
    image: str | None = None
    """The toolchain image's id."""
    base_image: str | None = None
    system: str | None = field(default=None, compare=False)
    """A name for everything on the system that configure may look at; None where nothing vouches for it.
    Packages that no build uses change it too, so it decides what may be remembered, not what is up to date."""

    @property
    def digest(self) -> str:
        """A hash of all of it but ``system``, in hex."""
        parts = {name: value for name, value in vars(self).items() if name != "system"}
        return sha256(json.dumps(parts, sort_keys=True, default=dict).encode()).hexdigest()


def versions(rows: Iterable[str], wanted: Sequence[str], native: str) -> dict[str, str]:
    """Versions of the ``wanted`` packages, from lines of ``Package Architecture Version``.

    ``name:arch`` is that very package; a name alone is the package of the ``native`` architecture, or of all.
    """
    found = {}
    for row in rows:
        name, architecture, version = row.split()
        full = f"{name}:{architecture}"
        if full in wanted:
            found[full] = version
        elif name in wanted and architecture in (native, "all"):
            found[name] = version
    return found


class Workspace(Protocol):
    """A folder of one build, and commands that run in it; a container has no network, a host keeps its own."""

    top: str
    """Its absolute path, as the commands see it."""

    def put(self, archive: bytes) -> None:
        """Unpack a tar below ``top``."""

    def get(self, path: str) -> bytes:
        """A tar of a file or folder below ``top``, as ``docker cp`` gives it: the last part of the path on top."""

    def run(self, command: Sequence[str], *, cwd: str, env: Mapping[str, str], line: Callable[[str], None]) -> int:
        """Run a command in a folder below ``top``; hand on its output, both streams, by lines; its exit code."""

    def stop(self) -> None:
        """Kill all commands that are running: their :meth:`run` ends, whichever thread it is in."""


class Engine(Protocol):
    """Somewhere to compile."""

    @property
    def name(self) -> Literal["docker", "host"]:
        """Which of the two it is."""

    def prepare(self, toolchain: Toolchain) -> Identity:
        """Make the toolchain ready, and say what it is. Raises the errors 40 to 43."""

    def workspace(self, identity: Identity, *, keep: bool) -> AbstractContextManager[Workspace]:
        """An empty workspace, gone afterwards unless ``keep``."""


def files(content: Mapping[str, bytes], mtime: int = 0, *, mode: int = 0o644, folder: str | None = None) -> bytes:
    """A tar of files by path, for :meth:`Workspace.put`; with a ``folder`` they are in it, and it is made first.

    What no entry names becomes root's in a container, where commands that are not root's could not write.
    """
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        if folder is not None:
            top = tarfile.TarInfo(folder)
            top.type, top.mode, top.mtime, top.uid, top.gid = tarfile.DIRTYPE, 0o755, mtime, OWNER, OWNER
            archive.addfile(top)
        for path, data in sorted(content.items()):
            info = tarfile.TarInfo(path if folder is None else f"{folder}/{path}")
            info.size, info.mode, info.mtime, info.uid, info.gid = len(data), mode, mtime, OWNER, OWNER
            archive.addfile(info, BytesIO(data))
    return out.getvalue()


def one_file(archive: bytes) -> tuple[bytes, int]:
    """The bytes and time stamp of the only file in a tar from :meth:`Workspace.get`."""
    with tarfile.open(fileobj=BytesIO(archive)) as members:
        member = members.next()
        content = members.extractfile(member) if member else None
        if member is None or content is None:
            raise FileNotFoundError("the workspace gave no file")
        return content.read(), int(member.mtime)

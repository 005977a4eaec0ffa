"""The protocol of engines and workspaces, which a container and this host both follow."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from hashlib import sha256
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

from patchkit import limits
from patchkit.building.toolchain import Toolchain
from patchkit.errors import ToolError

OWNER = 1000
"""The user id that owns the files of a workspace in a container; on the host, the user's own."""

EngineName = Literal["auto", "docker", "host"]


_COMMAND = 4 * 3600.0  # seconds; OpenSSL takes some minutes on one old core


def longest_command() -> float:
    """Return the seconds that one command of a build may take: ``PATCHKIT_BUILD_TIMEOUT``, or four hours.

    Raises BadUsageError where the variable is not a number of seconds.
    """
    given = limits.seconds(limits.BUILD)
    return _COMMAND if given is None else given


def too_long(command: Sequence[str], limit: float) -> ToolError:
    """Return the error for a ``command`` that did not end within ``limit`` seconds."""
    return ToolError(
        f"{command[0]} did not end within {limit:g} s",
        why="it was ended, with its children",
        advice="--timeout SECONDS sets another limit",
    )


@dataclass(frozen=True)
class Identity:
    """What a toolchain is made of on one engine, as far as its packages show."""

    engine: Literal["docker", "host"]
    compiler: str
    """The first line of ``cc --version``, or of the cross compiler's."""
    packages: Mapping[str, str]
    """Versions of the Debian packages in the toolchain's list; empty where the system does not use dpkg."""
    image: str | None = None
    """The toolchain image's id."""
    base_image: str | None = None
    base_digest: str | None = field(default=None, compare=False)
    """The digest by which a registry knows the base image; None where it came from none."""
    wheel: str | None = None
    """A hash of the Python wheel that brings the compiler, and of how it is called; None where packages bring it."""
    programs: Path | None = field(default=None, compare=False)
    """A folder whose programs come first in PATH, on the host."""
    musl: bytes | None = field(default=None, compare=False, repr=False)
    """A tar of the C library that zig has compiled: for the folder of temporary files of each workspace."""
    system: str | None = field(default=None, compare=False)
    """A hash of everything on the system that configure may look at; None where there is none to rely on.
    Packages that no build uses change it too, so it decides what may be kept, not what is up to date."""

    @property
    def digest(self) -> str:
        """A hash of all fields that count in a comparison, in hex."""
        parts = {each.name: getattr(self, each.name) for each in fields(self) if each.compare}
        return sha256(json.dumps(parts, sort_keys=True, default=dict).encode()).hexdigest()


def versions(rows: Iterable[str], packages: Sequence[str], native: str) -> dict[str, str]:
    """Return the versions of ``packages`` by name, from ``rows`` of ``Package Architecture Version``.

    ``name:arch`` is the package of that architecture; a name alone is that of ``native``, or of all.
    """
    by_name = {}
    for row in rows:
        name, architecture, version = row.split()
        full = f"{name}:{architecture}"
        if full in packages:
            by_name[full] = version
        elif name in packages and architecture in (native, "all"):
            by_name[name] = version
    return by_name


class Workspace(Protocol):
    """A folder of one build, and commands that run in it; a container has no network, a host keeps its network."""

    top: str
    """The folder's absolute path, as the commands see it."""

    def put(self, archive: bytes) -> None:
        """Unpack the tar ``archive`` below ``top``. Raises DiskFullError or StorageError, or DockerSilentError."""

    def get(self, path: str) -> bytes:
        """Return a tar of the file or folder ``path`` below ``top``; its names begin with the last part of the path.

        Raises FileNotFoundError where there is none, and DockerSilentError.
        """

    def run(self, command: Sequence[str], *, cwd: str, env: Mapping[str, str], line: Callable[[str], None]) -> int:
        """Run ``command`` in the folder ``cwd`` below ``top``, give both output streams to ``line`` line by line.

        Returns the exit code; on the host, a negative signal number for a process that a signal ended. Raises OSError
        where the command can't be started on the host, ToolError where it takes longer than
        :func:`longest_command`, and DockerSilentError.
        """

    def stop(self) -> None:
        """Kill all commands that are running: every :meth:`run` ends, whichever thread it is in."""


class Engine(Protocol):
    """Somewhere to compile."""

    @property
    def name(self) -> Literal["docker", "host"]:
        """The engine's name."""

    def prepare(self, toolchain: Toolchain) -> Identity:
        """Make ``toolchain`` ready, and return what it is made of.

        Raises ToolchainError, UnknownTargetError, BaseImageError, DockerSilentError, OfflineError or DiskFullError.
        """

    def workspace(self, identity: Identity, *, keep: bool) -> AbstractContextManager[Workspace]:
        """Open an empty workspace on ``identity``; it is removed afterwards unless ``keep``."""


def files(content: Mapping[str, bytes], mtime: int = 0, *, mode: int = 0o644, folder: str | None = None) -> bytes:
    """Pack ``content``, files by path, into a tar for :meth:`Workspace.put`; ``folder``, if given, holds them.

    The folder and those in it have entries of their own: without these a container's root would own them, and commands
    could not write there.
    """
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        if folder is not None:
            inside = {PurePosixPath(), *(parent for path in content for parent in PurePosixPath(path).parents)}
            for name in sorted(str(PurePosixPath(folder, parent)) for parent in inside):
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode, entry.mtime, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, mtime, OWNER, OWNER
                archive.addfile(entry)
        for path, data in sorted(content.items()):
            info = tarfile.TarInfo(path if folder is None else f"{folder}/{path}")
            info.size, info.mode, info.mtime, info.uid, info.gid = len(data), mode, mtime, OWNER, OWNER
            archive.addfile(info, BytesIO(data))
    return out.getvalue()


def one_file(archive: bytes) -> tuple[bytes, int]:
    """Return the bytes and time stamp of the first member of ``archive``, a tar from :meth:`Workspace.get`.

    Raises FileNotFoundError where it is not a file.
    """
    with tarfile.open(fileobj=BytesIO(archive)) as members:
        member = members.next()
        content = members.extractfile(member) if member else None
        if member is None or content is None:
            raise FileNotFoundError("the workspace gave no file")
        return content.read(), int(member.mtime)

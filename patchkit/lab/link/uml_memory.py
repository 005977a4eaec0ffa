"""Where the memory of User-Mode Linux lies on the host: a file that is as large as the guest, and sparse."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from patchkit.errors import DiskFullError, LinkError
from patchkit.lab.link import huge_pages

_SHARED = Path("/dev/shm")  # noqa: S108 - UML's own first choice
_ROOM = 64 << 20  # bytes beside a guest's memory


def memory_folder(memory: int, folders: Sequence[Path] = ()) -> Path:
    """Return the first of ``folders`` where a guest can keep ``memory`` MiB.

    Without ``folders``: shared memory in huge pages, other shared memory, then temporary files.

    Raises DiskFullError when neither has room, LinkError when programs cannot be run from there.
    """
    needed = (memory << 20) + _ROOM
    forbidden = []
    candidates = list(folders or dict.fromkeys((_SHARED, Path(tempfile.gettempdir()))))
    huge = None if folders else huge_pages.folder()
    for folder in [huge, *candidates] if huge else candidates:
        try:
            status = os.statvfs(folder)
        except OSError:
            continue
        if not os.access(folder, os.W_OK) or status.f_bavail * status.f_frsize < needed:
            continue
        if status.f_flag & os.ST_NOEXEC:
            forbidden.append(folder)
            continue
        return folder
    if forbidden:
        raise LinkError(
            "User-Mode Linux can't keep its memory on this host",
            why=f"programs cannot be run from {forbidden[0]} (mounted noexec)",
            advice="set TMPDIR to a folder without noexec, or --link qemu",
        )
    raise no_room(memory, candidates)


def no_room(memory: int, folders: Iterable[Path]) -> DiskFullError:
    """Describe that no one of ``folders`` has room for a guest with ``memory`` MiB."""
    return DiskFullError(
        f"no room for the lab's guest: {(memory << 20) + _ROOM >> 20} MiB",
        why=f"as much is not free in {' or in '.join(map(str, folders))}",
        advice="set TMPDIR to a folder on a larger disk, or --jobs 1",
    )

"""What this machine can do for a cluster, and what it lacks for the rest."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from patchkit.building.engine.choose import choose
from patchkit.building.engine.docker import DockerEngine
from patchkit.building.toolchain import toolchain
from patchkit.building.toolchain_table import SYSTEM, newest
from patchkit.cluster.identity import ABILITIES, Ability
from patchkit.context import Context
from patchkit.errors import PatchkitError, StorageError
from patchkit.lab.guest.kernel.tools import check_processor
from patchkit.lab.link.uml_memory import memory_folder
from patchkit.lab.link.uml_process import MEMORY
from patchkit.releases.version import Version

_BUILD_ROOM = 2 << 30  # bytes: sources, objects and libraries of one build at a time


def lacks(context: Context) -> dict[Ability, str]:
    """Return, for each kind of work that this machine cannot do, what it lacks and how that is got.

    Whether its kernel lets User-Mode Linux boot is seen when the first guest does: the client brings the kernel.
    """
    checks: dict[Ability, Callable[[Context], None]] = {"lab": _check_lab, "build": _check_build}
    lacking: dict[Ability, str] = {}
    for ability in ABILITIES:
        try:
            checks[ability](context)
        except PatchkitError as error:
            lacking[ability] = in_one_line(error)
    return lacking


def in_one_line(error: PatchkitError) -> str:
    """Write ``error`` with its reason and advice in one line."""
    why = f" ({'; '.join(error.why.splitlines()[:2])})" if error.why else ""
    return f"{error.what}{why}" + (f": {error.advice}" if error.advice else "")


def _check_lab(context: Context) -> None:
    check_processor()
    memory_folder(MEMORY)
    _check_cache(context, 1 << 27)


def _check_build(context: Context) -> None:
    """A compiler and its libraries, or a Docker daemon that has them; and room."""
    with choose("auto", context) as engine:
        if not isinstance(engine, DockerEngine):
            engine.prepare(toolchain(Version.parse(newest()), "linux-amd64", crypto=SYSTEM))
    _check_room(Path(tempfile.gettempdir()), _BUILD_ROOM)
    _check_cache(context, 1 << 28)


def _check_cache(context: Context, room: int) -> None:
    folder = context.cache.made()
    if not os.access(folder, os.W_OK):
        raise StorageError(f"the cache {folder} can't be written", advice="set PATCHKIT_CACHE to another folder")
    _check_room(folder, room)


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"{folder} has no room: {free >> 20} of {needed >> 20} MiB are free",
            advice="free some, or set PATCHKIT_CACHE and TMPDIR to folders on a larger disk",
        )

"""Check the room for builds and the lab: in the cache, in TMPDIR and in Docker's storage."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing
from pathlib import Path

from patchkit import temporary
from patchkit.building.engine.docker import connect
from patchkit.cache import Cache
from patchkit.errors import DiskFullError, PatchkitError
from patchkit.jobs.doctor.distribution import Step
from patchkit.jobs.doctor.model import FaultError
from patchkit.storage import reading

_MB = 10**6
# Bytes, measured where something is largest. Cache: 8 booted machines of up to 145 MB each and their guest, 67 MB; 2.7
# with its OpenSSL leaves 68 MB. TMPDIR: the same build took up to 188 MB. Docker: the images for Linux, 590 MB, and for
# Windows, 1860 MB, share a base; a build on top of them as much as in TMPDIR.
IN_CACHE = 1500 * _MB
IN_TMPDIR = 400 * _MB
IN_DOCKER = 2700 * _MB


def leftovers() -> str:
    """Look for temporary folders that killed builds and trials have left; report in a line that there are none.

    The next build or campaign removes them, too. Raises FaultError, with the command that removes them now.
    """
    left = [folder for parent in temporary.parents() for folder in temporary.left(parent)]
    if left:
        raise FaultError(
            f"{len(left)} temporary folder{'s' if len(left) > 1 else ''} of killed runs",
            why=f"no process works in them any more: {left[0]}" + (" and others" if len(left) > 1 else ""),
            steps=[Step(["rm", "-rf", "--", *map(str, left)], root=False)],
        )
    return f"no killed run has left a folder in {', '.join(map(str, temporary.parents()))}"


def room(cache: Cache) -> str:
    """Compare what is free with what builds and the lab need; report it in a line.

    Raises DiskFullError, naming each place that is too small, and StorageError.
    """
    needed = [("the cache", cache.root, IN_CACHE), ("TMPDIR", Path(tempfile.gettempdir()), IN_TMPDIR)]
    docker = _docker_storage()
    if docker is not None:
        needed.append(("Docker's storage", docker, IN_DOCKER))
    # Places on one disk share what is free there.
    disks: dict[int, list[tuple[str, Path, int]]] = {}
    for place in needed:
        disks.setdefault(_existing(place[1]).stat().st_dev, []).append(place)
    enough: list[str] = []
    lacking: list[str] = []
    for places in disks.values():
        free = shutil.disk_usage(_existing(places[0][1])).free
        need = sum(size for _, _, size in places)
        text = f"{_size(free)} free for {', '.join(name for name, _, _ in places)}; {_size(need)} needed"
        (enough if free >= need else lacking).append(text)
    if lacking:
        raise DiskFullError(
            "too little room", why="; ".join(lacking),
            advice="free some space, or set PATCHKIT_CACHE or TMPDIR to a larger disk",
        )  # fmt: skip
    return "; ".join(enough)


def _docker_storage() -> Path | None:
    """Return the daemon's folder; None where there is no daemon, or it is on another machine."""
    try:
        with closing(connect()) as client:
            folder = Path(client.info()["DockerRootDir"])
    except PatchkitError:
        return None
    return folder if client.api.base_url.startswith("http+docker") and folder.is_dir() else None


def _existing(path: Path) -> Path:
    with reading(path):
        return next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB"

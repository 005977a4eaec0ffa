"""Room for a build and for the lab: in the cache, where temporary files go, and in Docker's storage."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing
from pathlib import Path

from patchkit.building.engine.docker import connect
from patchkit.cache import Cache
from patchkit.errors import DiskFullError, PatchkitError
from patchkit.storage import reading

_MB = 10**6
# Bytes, measured where something is largest. Cache: 8 booted machines of up to 145 MB each and their guest, 67 MB; 2.7
# with its OpenSSL leaves 68 MB. TMPDIR: the same build took up to 188 MB. Docker: the images for Linux, 590 MB, and for
# Windows, 1860 MB, share a base; a build on top of them as much as in TMPDIR.
IN_CACHE = 1500 * _MB
IN_TMPDIR = 400 * _MB
IN_DOCKER = 2700 * _MB


def room(cache: Cache) -> str:
    """What is free against what builds and the lab need. Raises DiskFullError naming each place that is too small."""
    wanted = [("the cache", cache.root, IN_CACHE), ("TMPDIR", Path(tempfile.gettempdir()), IN_TMPDIR)]
    docker = _docker_storage()
    if docker is not None:
        wanted.append(("Docker's storage", docker, IN_DOCKER))
    # Places on one disk share what is free there.
    disks: dict[int, list[tuple[str, Path, int]]] = {}
    for one in wanted:
        disks.setdefault(_existing(one[1]).stat().st_dev, []).append(one)
    said: list[str] = []
    lacking: list[str] = []
    for places in disks.values():
        free = shutil.disk_usage(_existing(places[0][1])).free
        need = sum(size for _, _, size in places)
        text = f"{_size(free)} free for {', '.join(name for name, _, _ in places)}; {_size(need)} needed"
        (said if free >= need else lacking).append(text)
    if lacking:
        raise DiskFullError(
            "too little room", why="; ".join(lacking),
            advice="free some space, or set PATCHKIT_CACHE or TMPDIR to a larger disk",
        )  # fmt: skip
    return "; ".join(said)


def _docker_storage() -> Path | None:
    """The daemon's folder; None where there is no daemon, or it is another machine's."""
    try:
        with closing(connect()) as client:
            folder = Path(client.info()["DockerRootDir"])
    except PatchkitError:
        return None
    return folder if client.api.base_url.startswith("http+docker") and folder.is_dir() else None


def _existing(path: Path) -> Path:
    with reading(path):
        return next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB"

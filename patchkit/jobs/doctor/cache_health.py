"""The cache's health: what is kept is what it was, nobody sits on a lock for ever, and this user may write."""

from __future__ import annotations

import os
import shlex
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from patchkit.building.recipe.static_library import damaged as damaged_libraries
from patchkit.cache import Cache
from patchkit.errors import PatchkitError
from patchkit.jobs.doctor.distribution import Step
from patchkit.jobs.doctor.model import FaultError
from patchkit.lab.guest.packages import pins as guest_pins
from patchkit.packaging.dist import Dist
from patchkit.pki.credentials import damaged as damaged_credentials
from patchkit.releases.catalog import catalog
from patchkit.releases.libraries import libraries
from patchkit.storage import sha256_of

_DAY = 24 * 3600  # seconds; what a run of today left may be a run's that is still at work
_SHOWN = 3  # names of files in a line


@dataclass
class Health:
    """What was looked at, and what was found."""

    hashed: int = 0
    damaged: list[Path] = field(default_factory=list)
    left: list[Path] = field(default_factory=list)
    """Half files and folders of runs that were killed more than a day ago."""
    partial: list[Path] = field(default_factory=list)
    """Downloads that the next run goes on with."""
    rejected: list[Path] = field(default_factory=list)
    """Files that were not the pinned ones, kept to be looked at."""
    locked: dict[str, int] = field(default_factory=dict)
    """Locks that are held now, and the processes that hold them."""
    stuck: dict[str, int] = field(default_factory=dict)
    """Those of them whose process is stopped: whoever waits for it waits for ever."""


def checked(cache: Cache) -> str:
    """The cache's health in a line. Raises FaultError, with the commands that mend it."""
    if not cache.root.exists():
        return f"{cache.root} is not there yet"
    foreign = sorted(_foreign(cache.read_only()))
    if foreign:
        raise FaultError(
            f"this user may not write {_named(foreign)}",
            why="another user, or root, has made it",
            steps=[Step(["chown", "--recursive", f"{os.getuid()}:{os.getgid()}", str(cache.root)])],
        )
    found = examine(cache)
    if found.damaged:
        raise FaultError(
            f"damaged: {_named(found.damaged)}",
            why="made or fetched again when it is wanted",
            steps=[Step(["rm", "--recursive", "--force", *map(str, found.damaged)], root=False)],
        )
    if found.stuck:
        raise FaultError(
            f"a stopped process holds the lock {', '.join(found.stuck)}",
            advice=f"let it go on, or end it: kill -CONT {next(iter(found.stuck.values()))}",
        )
    return f"{cache.root}: {'; '.join(_words(found))}"


def examine(cache: Cache) -> Health:
    """Hash all files in ``cache`` whose hash is known, and look at every name. Changes nothing."""
    health = Health()
    cache = cache.read_only()
    for path in _files(cache.downloads):
        if ".rejected-" in path.name:
            health.rejected.append(path)
        elif path.suffix == ".part":
            health.partial.append(path)
    _hash_downloads(cache.downloads, health)
    for count, bad in (
        damaged_libraries(cache.libraries),
        damaged_credentials(cache.credentials),
        _damaged_programs(cache.programs),
    ):
        health.hashed += count
        health.damaged += bad
    health.left = sorted(_left(cache))
    health.locked = _held(cache.locks)
    health.stuck = {name: pid for name, pid in health.locked.items() if _stopped(pid)}
    return health


def _hash_downloads(folder: Path, health: Health) -> None:
    known = pinned()
    for path in _files(folder):
        # What an index vouches for has the first digits of its hash in front of its name.
        digest = known.get(path.name) or (path.name[:16] if path.name[16:17] == "-" else None)
        if digest is None or path in health.rejected or path in health.partial:
            continue
        health.hashed += 1
        if not sha256_of(path).startswith(digest):
            health.damaged.append(path)


def pinned() -> Mapping[str, str]:
    """The hash of every file that a download may have, by name."""
    tarballs = [one.tarball for one in catalog().releases if one.tarball]
    tarballs += [one.tarball for one in libraries().values()]
    return {one.name: one.sha256 for one in tarballs} | {one.file_name: one.sha256 for one in guest_pins().package}


def _damaged_programs(folder: Path) -> tuple[int, list[Path]]:
    """Count the files of programs in ``folder``, and list those that are not what their manifest says."""
    count, bad = 0, []
    for made in sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []:
        try:
            whole, damaged = Dist(made).damaged()
        except PatchkitError:  # no manifest of ours: the next build would be refused
            whole, damaged = 1, [made]
        count += whole
        bad += damaged
    return count, bad


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _left(cache: Cache) -> Iterator[Path]:
    """Temporary names: of storage.replace_all, of a boot of the lab's machine, of a build on the host."""
    names = [path for folder in cache.existing() for path in folder.rglob(".*.*") if path.name != ".lock"]
    names += cache.machines.glob("boot-*")
    names += Path(tempfile.gettempdir()).glob("patchkit-*")
    for path in names:
        with suppress(OSError):  # gone meanwhile
            status = path.lstat()
            if status.st_uid == os.getuid() and time.time() - status.st_mtime > _DAY:
                yield path


def _foreign(cache: Cache) -> Iterator[Path]:
    for folder, _, names in os.walk(cache.root):
        if _not_writable(Path(folder)):
            yield Path(folder)
        elif Path(folder) == cache.locks:
            yield from (Path(folder, name) for name in names if _not_writable(Path(folder, name)))


def _not_writable(path: Path) -> bool:
    return not os.access(path, os.W_OK)


def _held(folder: Path) -> dict[str, int]:
    """Who holds which lock, as proc_locks(5) tells it."""
    by_inode = {f"{path.stat().st_ino}": path.name for path in _files(folder)}
    found = {}
    try:
        rows = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return {}
    for row in rows:
        fields = row.split()
        inode = fields[5].rpartition(":")[2] if len(fields) > 5 else ""
        if inode in by_inode and fields[1] == "FLOCK" and int(fields[4]) > 0:
            found[by_inode[inode]] = int(fields[4])
    return found


def _stopped(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state in ("T", "t")


def _words(found: Health) -> Iterator[str]:
    yield f"{found.hashed} files hashed, all whole"
    if found.locked:
        yield f"in use by process {', '.join(str(pid) for pid in sorted(set(found.locked.values())))}"
    if found.partial:
        yield f"{len(found.partial)} downloads to go on with"
    if found.rejected:
        yield f"{len(found.rejected)} rejected downloads kept to be looked at"
    if found.left:
        yield f"left by killed runs, to be removed at will: {_named(found.left)}"


def _named(paths: list[Path]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{shlex.join(map(str, paths[:_SHOWN]))}{more}"

"""Check the cache: its files have the right hashes, no stopped process holds a lock, and this user may write."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from patchkit import children
from patchkit.building.engine.zig import is_whole
from patchkit.building.recipe.configure_cache import SUFFIX
from patchkit.building.recipe.stock_program import SUFFIX as PROGRAM
from patchkit.building.toolchain_table import zig
from patchkit.cache import Cache
from patchkit.children import Limits
from patchkit.errors import PatchkitError
from patchkit.jobs.build.kept_diff import SUFFIX as DIFF
from patchkit.jobs.doctor.distribution import Step
from patchkit.jobs.doctor.model import FaultError
from patchkit.lab.guest.kernel.obtain import damaged as damaged_kernels
from patchkit.lab.guest.kernel.pins import pinned as kernel_sources
from patchkit.lab.guest.packages import pins as guest_pins
from patchkit.packaging.dist import Dist
from patchkit.pki.credentials import damaged as damaged_credentials
from patchkit.releases.catalog import catalog
from patchkit.releases.libraries import libraries
from patchkit.storage import damaged_in, sha256_of

_DAY = 24 * 3600  # seconds; what a run of today left may be a run's that is still at work
_SHOWN = 3  # names of files in a line
_FSCK = Limits(600)  # a clone of all releases takes some seconds
_LIMIT = 20  # seconds for lslocks, which takes milliseconds


@dataclass
class Health:
    """What is in a cache, as :func:`examine` sees it."""

    hashed: int = 0
    """How many files have a known hash, and were hashed."""
    damaged: list[Path] = field(default_factory=list)
    left: list[Path] = field(default_factory=list)
    """Half files and folders of runs that were killed more than a day ago."""
    partial: list[Path] = field(default_factory=list)
    """Downloads that the next run resumes."""
    rejected: list[Path] = field(default_factory=list)
    """Files that were not the pinned ones, kept for inspection."""
    locked: dict[str, int] = field(default_factory=dict)
    """Locks that are held now, and the processes that hold them."""
    stuck: dict[str, int] = field(default_factory=dict)
    """Held locks whose process is stopped: other runs wait for it for ever."""


def checked(cache: Cache) -> str:
    """Examine ``cache`` and report its health in a line.

    Raises FaultError, with the commands that repair it, for folders that this user may not write, damaged files and
    locks of stopped processes.
    """
    if not cache.root.exists():
        return f"{cache.root} is not there yet"
    foreign = sorted(_foreign(cache.read_only()))
    if foreign:
        raise FaultError(
            f"this user may not write {_named(foreign)}",
            why="another user, or root, created it",
            steps=[Step(["chown", "--recursive", f"{os.getuid()}:{os.getgid()}", str(cache.root)])],
        )
    health = examine(cache)
    if health.damaged:
        raise FaultError(
            f"damaged: {_named(health.damaged)}",
            why="built or fetched again when next needed",
            steps=[Step(["rm", "--recursive", "--force", *map(str, health.damaged)], root=False)],
        )
    if health.stuck:
        raise FaultError(
            f"a stopped process holds the lock {', '.join(health.stuck)}",
            advice=f"continue it, or end it: kill -CONT {next(iter(health.stuck.values()))}",
        )
    return f"{cache.root}: {'; '.join(_words(health))}"


def examine(cache: Cache) -> Health:
    """Hash all files in ``cache`` whose hash is known, and look at every name. Changes nothing.

    Raises StorageError for a file that can't be read.
    """
    health = Health()
    cache = cache.read_only()
    for path in _files(cache.downloads):
        if ".rejected-" in path.name:
            health.rejected.append(path)
        elif path.suffix == ".part":
            health.partial.append(path)
    _hash_downloads(cache.downloads, health)
    for count, damaged in (
        damaged_in(cache.libraries, "*.tar"),
        damaged_in(cache.configure, f"*{SUFFIX}"),
        damaged_in(cache.stock, f"*{PROGRAM}"),
        damaged_in(cache.diffs, f"*{DIFF}"),
        damaged_in(cache.zig, "*.tar"),
        _damaged_zig(cache.zig),
        damaged_in(cache.images, "*.contents"),
        _damaged_clones(cache.git),
        damaged_credentials(cache.credentials),
        damaged_kernels(cache.kernels),
        _damaged_programs(cache.programs),
    ):
        health.hashed += count
        health.damaged += damaged
    health.left = sorted(_left(cache))
    health.locked = _held(cache.locks)
    health.stuck = {name: pid for name, pid in health.locked.items() if _stopped(pid)}
    return health


def _hash_downloads(folder: Path, health: Health) -> None:
    known = pinned()
    for path in _files(folder):
        # A file of a mirror's index has the first digits of its hash in front of its name.
        digest = known.get(path.name) or (path.name[:16] if path.name[16:17] == "-" else None)
        if digest is None or path in health.rejected or path in health.partial:
            continue
        health.hashed += 1
        if not sha256_of(path).startswith(digest):
            health.damaged.append(path)


def pinned() -> Mapping[str, str]:
    """Return the hash of every pinned file by the name that its download has."""
    tarballs = [release.tarball for release in catalog().releases if release.tarball]
    tarballs += [library.tarball for library in libraries().values()]
    packages = (*guest_pins().package, *kernel_sources())
    own = {package.file_name: package.sha256 for package in packages} | {zig().name: zig().sha256}
    return {pin.name: pin.sha256 for pin in tarballs} | own


def _damaged_zig(folder: Path) -> tuple[int, list[Path]]:
    homes = [path for path in sorted(folder.glob("[!.]*")) if path.is_dir()]
    return len(homes), [home for home in homes if not is_whole(home)]


def _damaged_programs(folder: Path) -> tuple[int, list[Path]]:
    """Count the files of programs in ``folder``, and list those that are not what their manifest says."""
    count, bad = 0, []
    for program in sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []:
        try:
            whole, damaged = Dist(program).damaged()
        except PatchkitError:  # no manifest of ours: the next build would be refused
            whole, damaged = 1, [program]
        count += whole
        bad += damaged
    return count, bad


def _damaged_clones(folder: Path) -> tuple[int, list[Path]]:
    """Count the clones in ``folder``, and list those in which git finds an object that is not what its id says."""
    clones = sorted(folder.glob("*.git"))
    return len(clones), [clone for clone in clones if not _is_sound(clone)]


def _is_sound(clone: Path) -> bool:
    command = ["git", "--git-dir", str(clone), "fsck", "--no-dangling", "--no-progress"]
    try:
        return children.run(command, _FSCK, env={"GIT_NO_LAZY_FETCH": "1"}).code == 0
    except FileNotFoundError:  # no git: another probe's matter
        return True


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _left(cache: Cache) -> Iterator[Path]:
    """Find old temporary files: of storage.replace_all, of a boot of the lab's guest, of a build on the host."""
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
    """Return the locks in ``folder`` that are held, and the process that holds each, as lslocks(8) reports them.

    Empty where util-linux is not installed: trying the locks instead would refuse other runs meanwhile.
    """
    names = {path.stat().st_ino: path.name for path in _files(folder)}
    command = ["lslocks", "--json", "--output", "PID,TYPE,INODE"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_LIMIT).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return {
        names[lock["inode"]]: lock["pid"]
        for lock in (json.loads(listing) if listing.strip() else {"locks": []})["locks"]
        if lock["inode"] in names and lock["type"] == "FLOCK" and lock["pid"] > 0
    }


def _stopped(pid: int) -> bool:
    """Whether the process is stopped, by a signal or a debugger, as proc_pid_status(5) has it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
    except OSError:
        return False
    return re.search(r"^State:\s+[Tt]", status, re.MULTILINE) is not None


def _words(health: Health) -> Iterator[str]:
    yield f"{health.hashed} files hashed, all whole"
    if health.locked:
        yield f"in use by process {', '.join(str(pid) for pid in sorted(set(health.locked.values())))}"
    if health.partial:
        yield f"{len(health.partial)} downloads to go on with"
    if health.rejected:
        yield f"{len(health.rejected)} rejected downloads kept to be looked at"
    if health.left:
        yield f"left by killed runs, to be removed at will: {_named(health.left)}"


def _named(paths: list[Path]) -> str:
    rest = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{shlex.join(map(str, paths[:_SHOWN]))}{rest}"

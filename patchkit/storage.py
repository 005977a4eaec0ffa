"""Writing files: the operating system's refusals as errors with advice, and files that change whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from patchkit.errors import DiskFullError, StorageError
from patchkit.signals import held_off

if TYPE_CHECKING:
    from filelock import BaseFileLock

_AT_ONCE = 1.0  # seconds; shorter waits are not worth a line
_BETWEEN = 60.0  # seconds from one line to the next
_LOOK = "look at it: ls -l"
_LONGEST = 4 * 3600.0  # seconds; a build of all releases holds no lock for that long


_tell: Callable[[str], object] = str
"""Replaced by :func:`talk_through`; without it, this module is silent."""


def check_writable(folder: Path, option: str) -> None:
    """Check, before the work, that files can be written into ``folder``; nothing is made yet.

    ``option`` is the option that names the folder on the command line. Raises StorageError when the folder, or the
    nearest one above it that exists, is not a writable folder.
    """
    with writing(folder):
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise StorageError(
            f"can't write to {folder}",
            why=f"{existing} is " + ("not writable" if existing.is_dir() else "not a folder"),
            advice=f"give another {option}",
        )
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:  # /proc, a file system without room or that takes no changes
        raise StorageError(
            f"can't write to {folder}",
            why=f"no file can be made in {existing}: {error.strerror}",
            advice=f"give another {option}",
        ) from error


def expanded(text: str) -> Path:
    """Expand ``~`` in ``text`` to a home folder; a path as it stands when there is no such user."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError about ``path`` into DiskFullError or StorageError. For the system calls alone, not for work."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise DiskFullError(
                f"no room left while writing {path}",
                why=f"{error.strerror}; nothing was left under a final name",
                advice="free some space, or set PATCHKIT_CACHE, TMPDIR, --out or --to to a larger disk",
            ) from error
        raise StorageError(
            f"can't write {path}", why=error.strerror or str(error), advice=_remedy(error, path)
        ) from error


_REMEDIES = {
    errno.EISDIR: "it is a folder: name a file",
    errno.ENOTDIR: "a part of the path is a file, and not a folder: check the name",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EROFS: "the file system takes no changes: give another place",
    errno.ELOOP: "the links there lead in a circle: check the name",
}


def refused(error: OSError) -> StorageError | None:
    """Return the error for a file that the system refuses, as ``error`` says; None where it says something else."""
    if error.errno not in (*_REMEDIES, errno.EACCES, errno.EPERM, errno.EIO) or not isinstance(error.filename, str):
        return None
    path = Path(error.filename)
    return StorageError(f"can't read or write {path}", why=error.strerror or str(error), advice=_remedy(error, path))


def _remedy(error: OSError, path: Path) -> str:
    """What helps against ``error`` about ``path``."""
    if error.errno == errno.ENOENT:
        above = path.absolute().parent
        return f"check the name: ls {above}" if above.exists() else f"mkdir -p {above}"
    return _REMEDIES.get(error.errno or 0, "check its owner and permissions")


@contextmanager
def folder_made(folder: Path) -> Iterator[None]:
    """Make ``folder`` and those above it where missing; where the work within fails, remove those that were made.

    Raises StorageError or DiskFullError.
    """
    with writing(folder):
        made = [path for path in (folder.absolute(), *folder.absolute().parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with held_off(), suppress(OSError):  # somebody else may have put something into it meanwhile
            for path in made:
                path.rmdir()
        raise


@contextmanager
def whole_folder(final: Path) -> Iterator[Path]:
    """Yield a new folder that becomes ``final``, which may be there and empty, at the end of the context.

    Where the work within fails, nothing is left. Raises StorageError where ``final`` holds something or can't be
    written, DiskFullError.
    """
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        raise StorageError(f"{final} exists already", why="nothing was changed in it", advice="name a new folder")
    place = final.absolute()
    with writing(final):
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        yield temporary
        with writing(final):
            temporary.chmod(0o755)
            temporary.rename(place)
    finally:
        with held_off():
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError about reading ``path`` into StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"can't read {path}", why=error.strerror or str(error), advice=_remedy(error, path)
        ) from error


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open the plain file ``path``, a link's too. Raises StorageError for anything else, which is not waited for."""
    with reading(path), open(path, "rb", opener=without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise StorageError(f"{path} is not a plain file", why="it is a folder, a pipe or a device", advice=_LOOK)
        yield file


def contents(path: Path, most: int = 64 << 20) -> bytes:
    """Read the plain file ``path``. Raises StorageError where it is something else, or has more than ``most`` bytes."""
    with opened(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise StorageError(f"{path} is larger than {most >> 20} MiB", why="none of patchkit's is", advice=_LOOK)
    return data


def without_waiting(path: str, flags: int) -> int:
    """Open ``path``, for :func:`open`; a pipe that nobody writes into must not stop patchkit."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def talk_through(tell: Callable[[str], object]) -> None:
    """Let ``tell`` get a line of text where a lock is waited for, or something kept is damaged."""
    global _tell  # noqa: PLW0603 - one process, one terminal
    _tell = tell


@contextmanager
def locked(
    folder: Path, name: str = ".lock", *, busy: str | None = None, waiting: Callable[[], object] | None = None
) -> Iterator[None]:
    """Lock ``folder``, made when missing, for one run at a time; a second run waits, or, with ``busy``, is refused.

    ``name`` is the lock's file, ``busy`` the name of the folder in the error. The kernel frees the lock when a process
    ends. A wait is told, and has a limit. Raises StorageError when the folder is in use, or stays so for hours, and
    StorageError or DiskFullError when it can't be written.
    """
    from filelock import FileLock, Timeout

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / name)
        try:
            lock.acquire(blocking=busy is None and waiting is None, timeout=_AT_ONCE)
        except Timeout:
            if busy is not None:
                raise StorageError(
                    f"{busy} is in use",
                    why="another patchkit uses it",
                    advice="wait until that one has ended, or end it",
                ) from None
            if waiting is not None:
                waiting()
            _wait_for(lock, folder / name)
    try:
        yield
    finally:
        lock.release()


def _wait_for(lock: BaseFileLock, path: Path) -> None:
    from filelock import Timeout

    since = time.strftime("%H:%M:%S")
    for _ in range(int(_LONGEST / _BETWEEN)):
        _tell(f"waiting for another patchkit, since {since}: it holds {path}")
        with suppress(Timeout):
            lock.acquire(timeout=_BETWEEN)
            return
    raise StorageError(
        f"another patchkit has held {path} for {_LONGEST / 3600:g} h",
        why="this one has waited as long as that",
        advice=f"patchkit doctor names the process; fuser {path}",
    )


def sha256_of(path: Path) -> str:
    """Hash the file ``path``: SHA-256, in hex. Raises StorageError when the file can't be read."""
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def keep(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, with its hash beside it. Raises DiskFullError or StorageError."""
    replace_all({path: data, sum_of(path): hashlib.sha256(data).hexdigest().encode()})


def kept(path: Path) -> bytes | None:
    """Return what :func:`keep` wrote to ``path``; None where there is nothing, or it is damaged, which is told.

    Raises StorageError when the file can't be read.
    """
    with reading(path):
        if not path.is_file():
            return None
        data, beside = path.read_bytes(), sum_of(path)
        expected = beside.read_bytes().strip() if beside.is_file() else b""
    if hashlib.sha256(data).hexdigest().encode() == expected:
        return data
    tell_damaged(path)
    return None


def tell_damaged(path: Path) -> None:
    """Tell that ``path``, kept in the cache, is not what was written there."""
    _tell(f"{path} is damaged: made anew")


def sum_of(path: Path) -> Path:
    """Return the file that has the hash of ``path``."""
    return path.with_suffix(".sha256")


def damaged_in(folder: Path, pattern: str) -> tuple[int, list[Path]]:
    """Count the files in ``folder`` that :func:`keep` wrote and ``pattern`` matches, and list the damaged ones.

    Raises StorageError.
    """
    paths = [path for path in sorted(folder.glob(pattern)) if path.suffix != ".sha256"]
    bad = []
    for path in paths:
        beside = sum_of(path)
        with reading(path):
            expected = beside.read_text("ascii", "replace").strip() if beside.is_file() else ""
        if sha256_of(path) != expected:
            bad.append(path)
    return len(paths), bad


def is_full(error: OSError) -> bool:
    """Return whether ``error`` reports a full disk or a quota."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def replace_all(files: Mapping[Path, bytes], *, mode: int = 0o644, journal: Path | None = None) -> None:
    """Write ``files`` beside their places, and when all are complete rename them, in the order given.

    A file that exists keeps its mode and, for root, its owner; others get ``mode``. Up to the first rename no file has
    changed, and an interrupt waits until the last. A process that is killed between two renames leaves some files old
    and some new, unless there is a ``journal``: :func:`finish` reads it and renames the rest. Raises DiskFullError when
    there is no room, and StorageError when a file can't be written.
    """
    with ExitStack() as stack:
        ready: list[tuple[Path, Path]] = []
        for final, data in files.items():
            with writing(final):
                ready.append((_beside(final, data, mode, stack), final))
        with held_off():
            if journal is not None:
                names = [(temporary.name, final.name) for temporary, final in ready]
                replace_all({journal: json.dumps(names).encode()})
            for temporary, final in ready:
                with writing(final):
                    temporary.replace(final)
            if journal is not None:
                with writing(journal):
                    journal.unlink()


def finish(journal: Path) -> None:
    """Rename the files that a run has left that was killed in :func:`replace_all`, all in the folder of ``journal``.

    Raises StorageError when the journal is not valid, or a file can't be renamed; DiskFullError when there is no room.
    """
    with reading(journal):
        data = journal.read_bytes()
    try:
        names = [(str(temporary), str(final)) for temporary, final in json.loads(data)]
    except (TypeError, ValueError):
        names = []
    if not names or any(name in ("", "..") or "/" in name for pair in names for name in pair):
        raise StorageError(
            f"{journal} is not the journal of a run that was killed",
            why="it should name files of its own folder",
            advice=f"look at it, then rm {journal}",
        )
    for temporary, final in names:
        with writing(journal.with_name(final)), suppress(FileNotFoundError):  # renamed already
            journal.with_name(temporary).replace(journal.with_name(final))
    with writing(journal):
        journal.unlink()


def _beside(final: Path, data: bytes, mode: int, stack: ExitStack) -> Path:
    with held_off():
        handle, name = tempfile.mkstemp(dir=final.parent, prefix=f".{final.name}.")
        stack.callback(Path(name).unlink, missing_ok=True)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    if final.exists():
        status = final.stat()
        mode = status.st_mode & 0o7777
        if os.geteuid() == 0:
            os.chown(name, status.st_uid, status.st_gid)
    Path(name).chmod(mode)
    return Path(name)

"""Writing files: the operating system's refusals as errors with advice, and files that change whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from patchkit.errors import DiskFullError, StorageError
from patchkit.signals import held_off


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
            f"can't write {path}", why=error.strerror or str(error), advice="check its owner and permissions"
        ) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError about reading ``path`` into StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"can't read {path}", why=error.strerror or str(error), advice="check its owner and permissions"
        ) from error


@contextmanager
def locked(
    folder: Path, name: str = ".lock", *, busy: str | None = None, waiting: Callable[[], object] | None = None
) -> Iterator[None]:
    """Lock ``folder``, made when missing, for one run at a time; a second run waits, or, with ``busy``, is refused.

    ``name`` is the lock's file, ``busy`` the name of the folder in the error; ``waiting`` is called before a wait. The
    kernel frees the lock when a process ends. Raises StorageError when the folder is in use, StorageError or
    DiskFullError when it can't be written.
    """
    from filelock import FileLock, Timeout

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / name)
        try:
            lock.acquire(blocking=busy is None and waiting is None)
        except Timeout:
            if busy is None and waiting is not None:
                waiting()
                lock.acquire()
        if not lock.is_locked:
            raise StorageError(
                f"{busy} is in use", why="another patchkit uses it", advice="wait until that one has ended, or end it"
            )
    try:
        yield
    finally:
        lock.release()


def sha256_of(path: Path) -> str:
    """Hash the file ``path``: SHA-256, in hex. Raises StorageError when the file can't be read."""
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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

"""Read a source given with ``--source``, a tarball or a folder; it never counts as verified."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from patchkit.errors import BadSourceError
from patchkit.source.tree.tarball import MAX_MEMBERS, MAX_PACKED, as_tree
from patchkit.source.tree.tree import MAX_BYTES, SYMLINK, Entry, Origin, SourceTree


def tree_from(path: Path) -> SourceTree:
    """Read the tree of OpenVPN in the local tarball or folder ``path``.

    Raises BadSourceError where there is none, UnsafeArchiveError for a tarball with unsafe members.
    """
    tree = any_tree(path, "--source")
    tree.find("reliable.c")
    return tree


def any_tree(path: Path, option: str) -> SourceTree:
    """Read the tree in the local tarball or folder ``path``, whatever it holds; ``option`` is the option that named it.

    Raises BadSourceError where there is none, or it is too large, UnsafeArchiveError for unsafe members.
    """
    try:
        if path.is_dir():
            return _from_folder(path, option)
        if not path.is_file():
            raise BadSourceError(f"there is no tarball or folder {path}", advice=f"check {option}")
        if path.stat().st_size > MAX_PACKED:
            raise BadSourceError(f"{path} is larger than {MAX_PACKED // 2**20} MiB", advice=f"check {option}")
        data = path.read_bytes()
    except OSError as error:
        raise BadSourceError(f"{path} can't be read", why=str(error), advice=f"check {option}") from error
    origin = Origin(
        kind="tarball",
        name=path.name,
        verified=False,
        epoch=0,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
    )
    return as_tree(data, origin)


def _from_folder(folder: Path, option: str) -> SourceTree:
    entries: dict[str, Entry] = {}
    total = 0
    for here, folders, names in os.walk(folder, onerror=_refuse):
        # A link to a folder counts as a link; .git is a folder, or a file in a worktree.
        links = [name for name in folders if Path(here, name).is_symlink()]
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted({*names, *links} - {".git"}):
            path = Path(here, name)
            if len(entries) >= MAX_MEMBERS:
                raise BadSourceError(f"{folder} holds more than {MAX_MEMBERS} files", advice=f"check {option}")
            status = path.lstat()
            key = path.relative_to(folder).as_posix()
            if path.is_symlink() and not _leads_out(path, folder):
                entries[key] = Entry.of(os.fsencode(path.readlink()), mode=SYMLINK, mtime=int(status.st_mtime))
            elif path.is_file():
                # autoreconf --install leaves links to the system's own install-sh and others: read the file instead.
                status = path.stat()
                total += status.st_size
                if total > MAX_BYTES:
                    raise BadSourceError(f"{folder} holds more than {MAX_BYTES // 2**20} MiB", advice=f"check {option}")
                mode = 0o755 if status.st_mode & 0o111 else 0o644
                entries[key] = Entry.of(path.read_bytes(), mode=mode, mtime=int(status.st_mtime))
    epoch = max((entry.mtime for entry in entries.values()), default=0)
    origin = Origin(kind="directory", name=folder.resolve().name, verified=False, epoch=epoch)
    return SourceTree(origin, entries)


def _leads_out(link: Path, folder: Path) -> bool:
    """Return whether ``link`` leads out of ``folder``. Raises BadSourceError where it does, and not to a file."""
    # Not Path.resolve, which raises RuntimeError for a link that leads to itself.
    if not link.readlink().is_absolute() and Path(os.path.realpath(link)).is_relative_to(folder.resolve()):
        return False
    if not link.is_file():
        raise BadSourceError(
            f"the link {link} leads out of the source", why=f"to {link.readlink()}", advice="remove it"
        )
    return True


def _refuse(error: OSError) -> None:
    raise error

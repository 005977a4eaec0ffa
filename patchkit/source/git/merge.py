"""Git's own merge and diff of single files, and where upstream has moved a file: no repository is written to."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from patchkit import children
from patchkit.children import Finished, Limits
from patchkit.errors import GitError, ToolError
from patchkit.storage import writing

_LIMITS = Limits(total=120)
_MARK = 15  # characters of a conflict's marks: no source has a line that begins so
_LABELS = ("upstream", "before", "patch")
_TROUBLE = 127  # git merge-file's exit codes above this are errors, those up to it count conflicts


@dataclass(frozen=True)
class MergeConflict:
    """One place that both sides change in different ways."""

    row: int
    """The line of upstream's new file, from 1, at which it begins."""
    upstream: Sequence[bytes]
    before: Sequence[bytes]
    patch: Sequence[bytes]


@dataclass(frozen=True)
class Merge:
    """The result of a three-way merge."""

    merged: bytes
    """Meaningless where there are conflicts."""
    conflicts: Sequence[MergeConflict] = ()


def merge_file(upstream: bytes, before: bytes, patch: bytes) -> Merge:
    """Merge what leads from ``before`` to ``patch`` into ``upstream``, with ``git merge-file``.

    Raises GitError where git fails or is not installed, StorageError or DiskFullError for the temporary files.
    """
    with _files(upstream=upstream, before=before, patch=patch) as folder:
        labels = [word for label in _LABELS for word in ("-L", label)]
        done = _git(
            ["merge-file", "-p", "--diff3", f"--marker-size={_MARK}", *labels, "upstream", "before", "patch"], folder
        )
    if not 0 <= done.code <= _TROUBLE:
        raise GitError("git merge-file failed", why=done.err)
    return Merge(done.stdout, _conflicts(done.stdout) if done.code else ())


def diff_file(before: bytes, after: bytes, path: str) -> bytes:
    """Write the unified diff from ``before`` to ``after``, which differ, as one of the file ``path``.

    Raises GitError where git fails, and what :func:`merge_file` raises.
    """
    with _files(before=before, after=after) as folder:
        options = ["--no-index", "--no-color", "--no-ext-diff", "--no-textconv", "--text", "--no-renames"]
        done = _git(["diff", *options, "--diff-algorithm=histogram", "-U3", "--", "before", "after"], folder)
    if done.code != 1:
        raise GitError("git diff failed", why=done.err)
    at = done.stdout.index(b"@@ ")
    name = path.encode()
    return b"--- a/%b\n+++ b/%b\n" % (name, name) + done.stdout[at:]


def moved(where: Path, before: str, after: str, paths: Sequence[str]) -> Mapping[str, str]:
    """Find what the files ``paths`` of the commit ``before`` are called in the commit ``after`` of the clone ``where``.

    Files that git finds no trace of are left out. Renames between the two trees come first, then those of the commits
    that lead to ``after``, in their order. Raises GitError.
    """
    renamed = {old: new for old, new in _renames(where, ["diff", "-M40%", before, after]) if old in paths}
    lost = [path for path in paths if path not in renamed]
    if lost:
        now = {path: path for path in lost}
        options = ["log", "--reverse", "-M", "-l0", "--format=", f"{before}..{after}"]
        for old, new in _renames(where, options):
            now = {path: new if current == old else current for path, current in now.items()}
        renamed |= {path: current for path, current in now.items() if current != path}
    return renamed


def _renames(where: Path, command: Sequence[str]) -> Iterator[tuple[str, str]]:
    done = _git(
        [f"--git-dir={where}", command[0], "--name-status", "-z", "--diff-filter=R", "--no-ext-diff", *command[1:]],
        where,
    )
    if done.code != 0:
        raise GitError("git can't list what was renamed", why=done.err, advice="use another clone: git fsck")
    words = [word for word in done.out.split("\0") if word.strip()]
    yield from zip(words[1::3], words[2::3], strict=False)


def _conflicts(merged: bytes) -> list[MergeConflict]:
    marks = re.compile(
        rb"^<{%(n)d} upstream\n(.*?)^\|{%(n)d} before\n(.*?)^={%(n)d}\n(.*?)^>{%(n)d} patch\n?" % {b"n": _MARK},
        re.MULTILINE | re.DOTALL,
    )
    conflicts = []
    surplus = at = 0  # lines of the conflicts so far that upstream's file does not have
    for match in marks.finditer(merged):
        row = merged.count(b"\n", 0, match.start()) + 1 - surplus
        sides = [part.splitlines(keepends=True) for part in match.groups()]
        conflicts.append(MergeConflict(row, *sides))
        surplus += merged.count(b"\n", match.start(), match.end()) - len(sides[0])
        at = match.end()
    if not conflicts or at < 0:
        raise GitError("git merge-file states conflicts and shows none", why="a fault in patchkit; please report it")
    return conflicts


@contextmanager
def _files(**contents: bytes) -> Iterator[Path]:
    with writing(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory(prefix="patchkit-merge-") as name:
        for file, data in contents.items():
            (Path(name) / file).write_bytes(data)
        yield Path(name)


def _git(words: Sequence[str], folder: Path) -> Finished:
    """Run git with nobody's settings: neither the user's nor those of a repository that the folder may be in."""
    env = {
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "",
        "GIT_OPTIONAL_LOCKS": "0",
    }
    try:
        return children.run(["git", "-c", "core.attributesFile=" + os.devnull, *words], _LIMITS, env=env, cwd=folder)
    except FileNotFoundError as error:
        raise GitError("git is not installed", why=str(error), advice="apt-get install git") from error
    except ToolError as error:
        raise GitError("git does not come to an end", why=error.why) from error

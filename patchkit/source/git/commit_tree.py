"""A commit's tree as a source tree: every object is hashed when it is read, so a pin covers every byte.

Blobs are read as git stores them: no checkout, so no line-ending conversion and no filters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from patchkit.errors import GitError, TagMovedError
from patchkit.releases.catalog import TagPin
from patchkit.source.tree.tree import SYMLINK, Entry, Origin, SourceTree

if TYPE_CHECKING:
    import git

_LARGEST = 1 << 26  # bytes of a file; OpenSSL's largest has some 5 MB
_MOST = 50_000  # files of a tree, as in a tarball
_OTHER = "use another commit or clone"


def tree_of(commit: git.Commit, ref: str, where: str, pin: TagPin | None) -> SourceTree:
    """Return the tree of ``commit``, to which ``ref`` in ``where`` led; verified where there is a ``pin``.

    Raises TagMovedError where the pin names another commit or tree, and GitError, also later when files are read.
    """
    with _reading(ref):
        tree, epoch = commit.tree, commit.committed_date
        _genuine(commit)
    if pin and (commit.hexsha, tree.hexsha) != (pin.commit, pin.tree):
        raise TagMovedError(
            f"the tag {pin.name} in {where} is not the one that was pinned",
            why=f"pinned commit {pin.commit}, tree {pin.tree}\nfound  commit {commit.hexsha}, tree {tree.hexsha}",
            advice=f"compare both with upstream's repository; to build it all the same: --git {where} "
            f"--version {commit.hexsha}",
        )
    origin = Origin(
        kind="git",
        name=ref,
        verified=pin is not None,
        epoch=epoch,
        commit=commit.hexsha,
        tree=tree.hexsha,
    )
    return SourceTree(origin, _GitEntries(commit))


class _GitEntries(Mapping[str, Entry]):
    """A commit's files, looked up at each access: a diff needs two of some seven hundred."""

    def __init__(self, commit: git.Commit) -> None:
        self._tree = commit.tree
        self._mtime = int(commit.committed_date)
        self._genuine: set[str] = set()
        self._folders: dict[str, Any] = {}
        """Folders that were looked into: GitPython reads a tree anew for each path in it."""

    def __getitem__(self, path: str) -> Entry:
        folder, _, name = path.rpartition("/")
        with _reading(path):
            item = self._folder(folder).join(name)
        if item.type != "blob":
            raise KeyError(path)
        return Entry(_mode(item.mode), self._mtime, _reader(item), item.hexsha)

    def _folder(self, path: str) -> Any:
        """Look up the folder ``path``; the empty path is the tree itself. Raises KeyError where there is none."""
        if path not in self._folders:
            above, _, name = path.rpartition("/")
            item = self._checked(self._folder(above).join(name) if path else self._tree)
            if item.type != "tree":
                raise KeyError(path)
            self._folders[path] = item
        return self._folders[path]

    def _checked(self, tree: Any) -> Any:
        if tree.hexsha not in self._genuine:
            _genuine(tree)
            self._genuine.add(tree.hexsha)
        return tree

    def below(self, folder: str) -> str | None:
        """Return the path of a file in ``folder``; None where it is not a folder with files."""
        try:
            with _reading(folder):
                items = list(self._folder(folder))
        except KeyError:
            return None
        paths = (self.below(f"{folder}/{item.name}") for item in items if item.type == "tree")
        files = (f"{folder}/{item.name}" for item in items if item.type == "blob")
        return next(files, None) or next((path for path in paths if path is not None), None)

    def __iter__(self) -> Iterator[str]:
        return (str(path) for path in self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    @cached_property
    def _paths(self) -> list[str]:
        """The paths of all files. A tree that occurs often, as hostile ones do, is read once."""
        rows: dict[str, list[tuple[str, Any | None]]] = {}
        paths: list[str] = []
        waiting: list[tuple[str, Any]] = [("", self._tree)]
        seen = 0
        with _reading("its files"):
            while waiting:
                folder, tree = waiting.pop()
                if tree.hexsha not in rows:
                    items = list(self._checked(tree))
                    rows[tree.hexsha] = [
                        (item.name, item if item.type == "tree" else None) for item in items if item.type != "submodule"
                    ]
                below = rows[tree.hexsha]
                seen += 1 + len(below)
                if seen > _MOST:
                    raise GitError(f"the tree {self._tree.hexsha} holds more than {_MOST} files", advice=_OTHER)
                paths += (folder + name for name, subtree in below if subtree is None)
                waiting += ((f"{folder}{name}/", subtree) for name, subtree in below if subtree is not None)
        return sorted(paths)


def _mode(git_mode: int) -> int:
    if git_mode == 0o120000:
        return SYMLINK
    return 0o755 if git_mode & 0o111 else 0o644


def _reader(blob: Any) -> Callable[[], bytes]:
    def read() -> bytes:
        with _reading(blob.path):
            return _genuine(blob)

    return read


def _genuine(item: Any) -> bytes:
    """Read and hash a git object: ``git cat-file`` does not hash, so the id alone proves nothing. Raises GitError."""
    size = item.repo.odb.info(item.binsha).size
    if size > _LARGEST:
        raise GitError(
            f"the {item.type} {item.hexsha} has {size} bytes",
            why=f"no source has one of more than {_LARGEST >> 20} MiB",
            advice=_OTHER,
        )
    data = bytes(item.repo.odb.stream(item.binsha).read())
    actual = hashlib.sha1(f"{item.type} {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()
    if actual != item.hexsha:
        raise GitError(
            f"the {item.type} {item.hexsha} is not what its id says",
            why=f"its bytes are those of {actual}",
            advice="the clone is damaged or was tampered with: use another one; git fsck",
        )
    return data


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Turn GitPython's errors about a damaged or hostile clone into GitError."""
    from gitdb.exc import ODBError  # type: ignore[import-untyped]

    module = gitpython()
    try:
        yield
    except (ValueError, ODBError, module.GitError) as error:
        raise GitError(f"git can't read {what}", why=str(error), advice="use another clone: git fsck") from error


def gitpython() -> Any:
    """Import GitPython, which looks for git at its import. Raises GitError where git is not installed."""
    try:
        import git
    except ImportError as error:
        raise GitError("git is not installed", why=str(error).strip(), advice="apt-get install git") from error
    return git

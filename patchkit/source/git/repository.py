"""Read source trees from git: a local clone in place, a URL by fetching single commits into the cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from patchkit import children
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import (
    DiskFullError,
    GitError,
    NetworkUnavailableError,
    OfflineError,
    PatchkitError,
    TagMovedError,
    ToolError,
    UnknownVersionError,
)
from patchkit.limits import LONGER
from patchkit.releases.catalog import TagPin
from patchkit.releases.version import shown
from patchkit.source.git import transport
from patchkit.source.git.commit_tree import gitpython, tree_of
from patchkit.source.tree.tree import SourceTree
from patchkit.storage import expanded, tell_damaged, writing

if TYPE_CHECKING:
    import git

UPSTREAM = "https://github.com/OpenVPN/openvpn.git"

FETCHED = "patchkit/"
"""The prefix of fetched tags in patchkit's own copy: refs/tags/patchkit/v2.6.14."""

# The refs that git itself allows, without those that could pass for an option, a range or a revision operator.
_REF = re.compile(r"(?!.*(\.\.|//|@\{))[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{7,40}", re.ASCII)
_URL = re.compile(r"(https?|ssh|git|file)://|[\w.-]+@[\w.-]+:", re.ASCII)
# A clone's own configuration can name programs that git runs to fetch missing objects, of a partial clone for instance.
# Repositories of others are read, never fetched into; patchkit's own copies are fetched by the protocols of _URL.
_READ_ONLY = ""
_FETCHED_FROM = "https:http:ssh:git:file"
_UNREACHABLE = (
    "could not resolve host",
    "unable to connect",
    "failed to connect",
    "connection refused",
    "no route to host",
    "could not connect",
    "network is unreachable",
    "timed out",
)
_NO_REF = ("couldn't find remote ref", "not our ref", "no such ref")


def tree_at(where: str, ref: str, context: Context, *, pin: TagPin | None = None) -> SourceTree:
    """Return the tree of ``ref`` in the repository ``where`` (a URL or a path); verified where there is a ``pin``.

    Raises TagMovedError where commit or tree are not the pinned ones, UnknownVersionError for a ref that does not
    exist, GitError, NetworkUnavailableError, OfflineError or DiskFullError.
    """
    if not _REF.fullmatch(ref):
        raise UnknownVersionError(f"{shown(ref)} is not a git ref", advice="give a tag, a branch or a commit")
    commit = _commit_at(where, ref, context)
    try:
        tree = tree_of(commit, ref, where, pin)
    except TagMovedError:
        commit.repo.close()
        raise
    except GitError:
        commit.repo.close()
        if not is_url(where) or context.offline:
            raise
        _forget(where, context.cache)
        commit = _commit_at(where, ref, context)
        tree = tree_of(commit, ref, where, pin)
    # The last use of the tree ends git's own process, which would otherwise wait for more requests.
    weakref.finalize(tree.entries, commit.repo.close)
    return tree


def default_repository() -> str | None:
    """Return the repository that ``PATCHKIT_GIT`` names, or None."""
    return os.environ.get("PATCHKIT_GIT") or None


def is_url(where: str) -> bool:
    """Return whether git would open a connection for ``where``, and not a folder."""
    return _URL.match(where) is not None


@contextmanager
def own_copy(where: str, cache: Cache) -> Iterator[git.Repo]:
    """Hold the cache's copy of the repository at the URL ``where``, empty at first; a second run waits for it.

    The caller closes the repository. Raises GitError, StorageError or DiskFullError.
    """
    slug = hashlib.sha256(transport.without_secret(where)[0].encode()).hexdigest()[:16]
    with cache.lock(f"git-{slug}"):
        yield bare_repository(cache.git / f"{slug}.git")


def _forget(where: str, cache: Cache) -> None:
    """Remove the cache's copy of the repository at the URL ``where``, in which something is damaged."""
    with own_copy(where, cache) as repository:
        path = Path(repository.git_dir)
        repository.close()
        tell_damaged(path)
        with writing(path):
            shutil.rmtree(path)


def _commit_at(where: str, ref: str, context: Context) -> git.Commit:
    if not is_url(where):
        return resolve(open_repository(expanded(where)), ref, where)
    with own_copy(where, context.cache) as repository:
        # A commit never changes; a tag or branch is fetched anew, unless offline.
        if _COMMIT.fullmatch(ref) or context.offline:
            try:
                return resolve(repository, f"{FETCHED}{ref}" if not _COMMIT.fullmatch(ref) else ref, where)
            except UnknownVersionError:
                if context.offline:
                    raise OfflineError(
                        f"{ref} of {where} is not in the cache",
                        advice="drop --offline once, or name a local clone with --git or PATCHKIT_GIT",
                    ) from None
        context.ui.note(f"git fetch {ref} from {where}")
        with context.ui.log("git fetch") as heard:
            _fetch(repository, where, ref, heard)
        return resolve(repository, f"{FETCHED}{ref}", where)


def open_repository(path: Path, protocols: str = _READ_ONLY) -> git.Repo:
    """Open the local repository ``path``; git may fetch by ``protocols`` (GIT_ALLOW_PROTOCOL), by default by none.

    Raises GitError where there is no repository, or git is not installed.
    """
    module = gitpython()
    try:
        repository: git.Repo = module.Repo(path, expand_vars=False)
    except (module.InvalidGitRepositoryError, module.NoSuchPathError) as error:
        raise GitError(f"{path} is not a git repository", why=str(error), advice="give a clone or a URL") from error
    # Without a config file a bare repository does not show that it is bare, and GitPython runs git beside it.
    repository.git.update_environment(**_settings(repository.git_dir, protocols))
    return repository


def git_folder(path: Path) -> Path:
    """Return the folder in which the local repository ``path`` keeps its objects. Raises GitError."""
    repository = open_repository(path)
    try:
        return Path(repository.git_dir)
    finally:
        repository.close()


def _settings(folder: object, protocols: str) -> dict[str, str]:
    return {
        "GIT_DIR": str(folder),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",  # since git 2.45; the protocols go for older ones
        "GIT_ALLOW_PROTOCOL": protocols,
    }


def bare_repository(path: Path) -> git.Repo:
    """Open the bare repository ``path``, made where missing, that may fetch. Raises GitError."""
    module = gitpython()
    if not path.exists():
        # Named, because inside a git hook GIT_DIR names the hook's repository.
        try:
            module.Git(path.parent).init("--quiet", "--bare", "--", str(path.absolute()))
        except module.GitCommandError as error:
            raise GitError(f"git can't make {path}", why=str(error.stderr).strip()) from error
    return open_repository(path, _FETCHED_FROM)


def resolve(repository: git.Repo, ref: str, where: str) -> git.Commit:
    """Return the commit of ``ref``, a tag, branch or commit id.

    Raises UnknownVersionError where there is none, with ``repository`` closed.
    """
    import git

    for name in (f"refs/tags/{ref}", ref):
        try:
            return repository.commit(name)
        except (git.BadName, git.BadObject, ValueError, IndexError, git.GitCommandError):
            continue
    repository.close()
    raise UnknownVersionError(
        f"{where} has no {shown(ref.removeprefix(FETCHED))}",
        why="neither a tag, a branch nor a commit of that name",
        advice=f"git ls-remote {where} lists what it has",
    )


def ask(repository: git.Repo, command: str, *arguments: str, heard: Callable[[str], None] | None = None) -> str:
    """Run a git ``command`` that connects to another repository, named behind ``--``, and return its output.

    ``heard`` gets the lines of its progress. A password in the repository's URL is given to git beside the command
    line, which every user can read. Raises UnknownVersionError for a ref that does not exist, NetworkUnavailableError,
    also where the other side does not answer, DiskFullError or GitError.
    """
    split = arguments.index("--") + 1
    where = arguments[split]
    plain, secret = transport.without_secret(where)
    progress = ["--progress"] if command == "fetch" else []
    # A mirror's repository may come from somebody else: none of its hooks is run.
    without_hooks = ["git", "-c", "core.hooksPath=/dev/null", "--git-dir", str(repository.git_dir)]
    line = [*without_hooks, command, *progress, *arguments[:split], plain]
    try:
        done = children.run(
            [*line, *arguments[split + 1 :]],
            transport.limits_of_git(),
            env={**_settings(repository.git_dir, _FETCHED_FROM), **transport.environment(), **secret},
            heard=heard,
        )
    except ToolError as error:
        raise NetworkUnavailableError(
            f"git {command} from {where} does not come to an end",
            why=error.why,
            advice=f"name a local clone with --git or PATCHKIT_GIT; {LONGER}",
        ) from error
    except FileNotFoundError as error:
        raise GitError("git is not installed", why=str(error), advice="apt-get install git") from error
    if done.code != 0:
        raise _refusal(command, where, transport.message(done.err))
    return done.out.rstrip("\n")


def _refusal(command: str, where: str, message: str) -> PatchkitError:
    if any(sign in message.lower() for sign in _NO_REF):
        return UnknownVersionError(f"{where} does not have the requested ref", why=message)
    if any(sign in message.lower() for sign in _UNREACHABLE):
        return NetworkUnavailableError(
            f"no network: {where} can't be reached",
            why=message,
            advice="name a local clone with --git or PATCHKIT_GIT",
        )
    if "no space left" in message.lower():
        return DiskFullError(f"no room left for what git fetches from {where}", why=message)
    return GitError(f"git {command} failed for {where}", why=message)


def tags(repository: git.Repo, pattern: str) -> dict[str, str]:
    """Return the tags that match ``pattern``, and the ids of their own objects. Raises GitError."""
    import git

    try:
        listed = repository.git.for_each_ref(f"refs/tags/{pattern}", format="%(objectname) %(refname:strip=2)")
    except git.GitCommandError as error:
        raise GitError("git can't list the tags", why=str(error.stderr).strip(), advice="git fsck") from error
    return {name: sha for sha, name in map(str.split, listed.splitlines())}


def fetch_tag(repository: git.Repo, where: str, tag: str) -> None:
    """Fetch ``tag`` from ``where`` under its own name, without its history. Raises what :func:`ask` does."""
    ref = f"refs/tags/{tag}"
    ask(repository, "fetch", "--depth=1", "--no-tags", "--force", "--", where, f"{ref}:{ref}")


def _fetch(repository: git.Repo, where: str, ref: str, heard: Callable[[str], None]) -> None:
    """Fetch one commit, without its history, under refs/tags/patchkit/REF: a branch can't point to a tag object."""
    sources = [ref] if _COMMIT.fullmatch(ref) else [f"refs/tags/{ref}", f"refs/heads/{ref}"]
    reason = ""
    for source in sources:
        refspec = f"{source}:refs/tags/{FETCHED}{ref}"
        try:
            ask(repository, "fetch", "--depth=1", "--no-tags", "--force", "--", where, refspec, heard=heard)
        except UnknownVersionError as error:
            reason = error.why
            continue
        return
    raise UnknownVersionError(
        f"{where} has no {shown(ref)}", why=reason, advice=f"git ls-remote {where} lists what it has"
    )

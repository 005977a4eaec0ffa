"""Read many releases of one repository, opened once: for commands about all of upstream's history."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patchkit.context import Context
from patchkit.errors import GitError, OfflineError, UnknownVersionError
from patchkit.releases.catalog import TagPin
from patchkit.releases.version import Version
from patchkit.source.git import repository as git
from patchkit.source.git.commit_tree import tree_of
from patchkit.source.tree.tree import SourceTree
from patchkit.storage import expanded

if TYPE_CHECKING:
    from git import Repo


_MOST = 10_000  # tags; upstream has some 300


@dataclass(frozen=True)
class History:
    """A repository's release tags. Trees from it can be read as long as it is open."""

    where: str
    tags: Mapping[Version, str]
    """The release tags by version, oldest first; tags that name no release (``start_of_2.8``) are left out."""
    _repository: Repo
    _prefix: str

    def tree(self, tag: str, pin: TagPin | None) -> SourceTree:
        """Return the tree of ``tag``; verified where there is a ``pin``. Raises TagMovedError or GitError."""
        try:
            commit = git.resolve(self._repository, f"{self._prefix}{tag}", self.where)
        except UnknownVersionError as error:
            if tag not in self.tags.values():
                raise
            raise GitError(f"git can't read the tag {tag}", advice="use another clone: git fsck") from error
        return tree_of(commit, tag, self.where, pin)


@contextmanager
def history(where: str, context: Context) -> Iterator[History]:
    """Open the repository ``where``, a path or a URL. From a URL, tags not in the cache are fetched, without history.

    Raises UnknownVersionError where it has no release tags, GitError, NetworkUnavailableError or OfflineError.
    """
    if not git.is_url(where):
        repository = git.open_repository(expanded(where))
        try:
            yield History(where, _releases(where, git.tags(repository, "v*")), repository, "")
        finally:
            repository.close()
        return
    with git.own_copy(where, context.cache) as repository:
        try:
            here = {
                name.removeprefix(git.FETCHED): sha for name, sha in git.tags(repository, f"{git.FETCHED}v*").items()
            }
            if context.offline and not here:
                raise OfflineError(
                    f"no tag of {where} is in the cache",
                    advice="drop --offline once, or name a local clone with --git or PATCHKIT_GIT",
                )
            there = here if context.offline else _listed(repository, where)
            releases = _releases(where, there)
            missing = [tag for tag in releases.values() if here.get(tag) != there[tag]]
            if missing:
                context.ui.note(f"git fetch {len(missing)} tags from {where}")
                refs = (f"refs/tags/{tag}:refs/tags/{git.FETCHED}{tag}" for tag in missing)
                with context.ui.log("git fetch") as heard:
                    git.ask(repository, "fetch", "--depth=1", "--no-tags", "--force", "--", where, *refs, heard=heard)
            yield History(where, releases, repository, git.FETCHED)
        finally:
            repository.close()


def _listed(repository: Repo, where: str) -> dict[str, str]:
    """Return the tags that ``where`` has now and their own ids, which show moved tags without a fetch."""
    listed = git.ask(repository, "ls-remote", "--tags", "--refs", "--", where).splitlines()
    return {ref.removeprefix("refs/tags/"): sha for sha, ref in (line.split("\t") for line in listed)}


def _releases(where: str, tags: Collection[str]) -> dict[Version, str]:
    if len(tags) > _MOST:
        raise GitError(f"{where} has more than {_MOST} tags", advice="name those that are of interest with --ref")
    by_version: dict[Version, str] = {}
    for tag in sorted(tags):
        try:
            version = Version.parse(tag)
        except UnknownVersionError:
            continue
        if tag.startswith("v"):
            by_version.setdefault(version, tag)  # never a label of one spelling with the files of another
    if not by_version:
        raise UnknownVersionError(f"{where} has no release tags", why=f"it has {len(tags)} tags")
    return dict(sorted(by_version.items()))

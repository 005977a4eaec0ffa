"""Many releases of one repository, opened once: what a question about all of upstream's history reads from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from patchkit.errors import OfflineError, UnknownVersionError
from patchkit.releases.catalog import TagPin
from patchkit.releases.version import Version
from patchkit.source import git
from patchkit.source.cache import Cache
from patchkit.source.tree import SourceTree
from patchkit.ui import Ui

if TYPE_CHECKING:
    from git import Repo

_CACHED = "patchkit/"  # what a fetched tag is called in the cache: refs/tags/patchkit/v2.6.14


@dataclass(frozen=True)
class History:
    """A repository's release tags. Trees that it gave can be read as long as it is open."""

    where: str
    _repository: Repo
    _prefix: str

    @cached_property
    def tags(self) -> dict[Version, str]:
        """The release tags by version; tags that name no release (``start_of_2.8``) are left out."""
        listed = self._repository.git.for_each_ref(f"refs/tags/{self._prefix}v*", format="%(refname:strip=2)")
        return _releases(tag.removeprefix(self._prefix) for tag in listed.split())

    def tree(self, tag: str, pin: TagPin | None) -> SourceTree:
        """One release's tree; verified where a pin is given. Raises TagMovedError or GitError."""
        return git.tree_of(git.resolve(self._repository, f"{self._prefix}{tag}", self.where), tag, self.where, pin)


@contextmanager
def history(where: str, cache: Cache, ui: Ui, *, offline: bool = False) -> Iterator[History]:
    """Open a repository, a path or a URL. From a URL, tags that the cache lacks are fetched, without their past.

    Raises GitError, NetworkUnavailableError or OfflineError.
    """
    if not git.is_url(where):
        repository = git.open_repository(Path(where).expanduser())
        try:
            yield History(where, repository, "")
        finally:
            repository.close()
        return
    slug = hashlib.sha256(where.encode()).hexdigest()[:16]
    with cache.lock(f"git-{slug}"):
        repository = git.init(cache.folder("git") / f"{slug}.git")
        try:
            found = History(where, repository, _CACHED)
            if not offline:
                _fetch_tags(found, repository, ui)
            elif not found.tags:
                raise OfflineError(
                    f"no tag of {where} is in the cache",
                    advice="drop --offline once, or name a local clone with --git or PATCHKIT_GIT",
                )
            yield History(where, repository, _CACHED)
        finally:
            repository.close()


def _fetch_tags(known: History, repository: Repo, ui: Ui) -> None:
    """Fetch the release tags that are new or have moved. A tag's own object is compared, as ls-remote names it."""
    listed = git.ask(repository, "ls-remote", "--tags", "--refs", "--", known.where).splitlines()
    there = {ref.removeprefix("refs/tags/"): sha for sha, ref in (line.split("\t") for line in listed)}
    here = dict(
        line.split()[::-1]
        for line in repository.git.for_each_ref(
            f"refs/tags/{_CACHED}", format="%(objectname) %(refname:lstrip=2)"
        ).splitlines()
    )
    releases = _releases(iter(there)).values()
    missing = [tag for tag in releases if here.get(f"{_CACHED}{tag}") != there[tag]]
    if not releases:
        raise UnknownVersionError(f"{known.where} has no release tags", why=f"it has {len(there)} tags")
    if missing:
        ui.note(f"git fetch {len(missing)} tags from {known.where}")
        refs = (f"refs/tags/{tag}:refs/tags/{_CACHED}{tag}" for tag in missing)
        git.ask(repository, "fetch", "--depth=1", "--no-tags", "--force", "--", known.where, *refs)


def _releases(tags: Iterator[str]) -> dict[Version, str]:
    found = {}
    for tag in tags:
        try:
            version = Version.parse(tag)
        except UnknownVersionError:
            continue
        if tag.startswith("v"):
            found[version] = tag
    return dict(sorted(found.items()))

"""List the tags that a repository has now, and the commits that they lead to, without fetching any."""

from __future__ import annotations

import re

from patchkit.cache import Cache
from patchkit.source.git import repository as git
from patchkit.storage import expanded

_ROW = re.compile(r"([0-9a-f]{40})\trefs/tags/([A-Za-z0-9][A-Za-z0-9._+-]{0,99})(\^\{\})?", re.ASCII)


def remote_tags(where: str, cache: Cache) -> dict[str, str]:
    """Return the commits of the repository ``where`` by tag; tags with names that no release has are left out.

    Raises NetworkUnavailableError or GitError.
    """
    if git.is_url(where):
        with git.own_copy(where, cache) as repository:
            try:
                listed = git.ask(repository, "ls-remote", "--tags", "--", where)
            finally:
                repository.close()
    else:
        path = expanded(where)
        repository = git.open_repository(path)
        try:
            # Exits with 1 where there is none. for-each-ref follows a tag of a tag for one step only.
            listed = repository.git.show_ref("--tags", "--dereference", with_exceptions=False).replace(" ", "\t")
        finally:
            repository.close()
    commits: dict[str, str] = {}
    for line in listed.splitlines():
        row = _ROW.fullmatch(line)
        if row and (row[3] or row[2] not in commits):
            commits[row[2]] = row[1]  # what an annotated tag leads to comes behind it, and counts
    return commits

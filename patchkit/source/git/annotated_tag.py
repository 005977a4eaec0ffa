"""Annotated git tags: what their own text says, and the signature below it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patchkit.cache import Cache
from patchkit.errors import GitError
from patchkit.source.git import repository as git
from patchkit.storage import expanded

if TYPE_CHECKING:
    from git import Repo

_PGP = b"\n-----BEGIN PGP SIGNATURE-----"
_SSH = b"\n-----BEGIN SSH SIGNATURE-----"
_DEEPEST = 5  # tags of tags
_LIMIT = 1 << 20  # bytes; upstream's longest has some 20 kB


@dataclass(frozen=True)
class TagText:
    """A tag's object. All but the signature is what was signed: so also the tag's name and what it leads to."""

    name: str
    """By its own text: whoever renames a signed tag can't change this."""
    leads_to: str
    """The id of what it tags; of a tag of a tag, what that one tags: the hash of the one vouches for the other."""
    signed: bytes
    signature: bytes | None
    """None where there is none that OpenPGP knows."""
    other_signature: str = ""
    """Another kind of signature that it has."""


def tag_text(where: str, ref: str, cache: Cache) -> TagText | None:
    """The tag ``ref`` of a repository, which :func:`patchkit.source.git.repository.tree_at` has read before; None where
    it is a branch, a commit, or a tag without a text of its own.

    Raises GitError.
    """
    with _open(where, cache) as (repository, prefix):
        found = git.tags(repository, f"{prefix}{ref}").get(f"{prefix}{ref}")
        return _read(repository, found, ref) if found else None


@contextmanager
def _open(where: str, cache: Cache) -> Iterator[tuple[Repo, str]]:
    if git.is_url(where):
        with git.own_copy(where, cache) as repository:
            try:
                yield repository, git.FETCHED
            finally:
                repository.close()
    else:
        repository = git.open_repository(expanded(where))
        try:
            yield repository, ""
        finally:
            repository.close()


def _read(repository: Repo, sha: str, ref: str) -> TagText | None:
    data = _tag_object(repository, sha, ref)
    if data is None:
        return None
    begins = data.rfind(_PGP) + 1  # as git does: the last one counts, and what is before it was signed
    signed, signature = (data[:begins], data[begins:]) if begins else (data, None)
    return TagText(
        name=_field(data, b"tag"),
        leads_to=_end(repository, data, ref),
        signed=signed,
        signature=signature,
        other_signature="SSH" if not begins and _SSH in data else "",
    )


def _end(repository: Repo, data: bytes, ref: str) -> str:
    """Upstream's v2.2-beta1 is a tag of a tag."""
    for _ in range(_DEEPEST):
        leads_to = _field(data, b"object")
        inner = _tag_object(repository, leads_to, ref)
        if inner is None:
            return leads_to
        data = inner
    raise GitError(
        f"the tag {ref} leads to a tag that leads to a tag, and so on", advice="look at it with git cat-file"
    )


def _tag_object(repository: Repo, sha: str, ref: str) -> bytes | None:
    """The bytes of a tag, None for another kind of object."""
    from gitdb.exc import ODBError  # type: ignore[import-untyped]

    try:
        about = repository.odb.info(bytes.fromhex(sha))
        if about.type != b"tag":
            return None
        if about.size > _LIMIT:
            raise GitError(f"the tag {ref} is larger than {_LIMIT >> 20} MiB")
        data = bytes(repository.odb.stream(bytes.fromhex(sha)).read())
    except (ValueError, ODBError) as error:
        raise GitError(f"git can't read the tag {ref}", why=str(error), advice="try another clone: git fsck") from error
    if hashlib.sha1(b"tag %d\0" % len(data) + data, usedforsecurity=False).hexdigest() != sha:
        raise GitError(
            f"the tag {ref} is not what its id says",
            why=sha,
            advice="the clone is damaged or was tampered with: git fsck",
        )
    return data


def _field(data: bytes, name: bytes) -> str:
    """One of the lines above the first empty one."""
    header = data.split(b"\n\n", 1)[0]
    found = re.search(rb"^%b (.*)$" % name, header, re.MULTILINE)
    return found[1].decode("utf-8", "replace") if found else ""

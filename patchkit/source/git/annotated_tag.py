"""Read annotated git tags: their own text, and the signature below it."""

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
    """The object of a tag. Everything but the signature was signed, so the tag's name and what it leads to as well."""

    name: str
    """The name in the tag's own text, which renaming the tag does not change."""
    leads_to: str
    """The id of what is tagged; for a tag of a tag, of what the inner one tags, since the outer tag signs its hash."""
    signed: bytes
    signature: bytes | None
    """The OpenPGP signature; None where there is none."""
    other_signature: str = ""
    """The name of another kind of signature, where the tag has one."""


def tag_text(where: str, ref: str, cache: Cache) -> TagText | None:
    """Read the tag ``ref`` of the repository ``where``, which ``repository.tree_at`` must have read before.

    None where the ref is a branch, a commit, or a tag without a text of its own. Raises GitError.
    """
    with _open(where, cache) as (repository, prefix):
        sha = git.tags(repository, f"{prefix}{ref}").get(f"{prefix}{ref}")
        return _read(repository, sha, ref) if sha else None


def committed_on(where: str, ref: str, cache: Cache) -> str:
    """Return the day of the commit that ``ref`` leads to, as its committer's clock had it: 2026-08-03.

    The repository ``where`` must have been read with ``repository.tree_at`` before. Raises GitError.
    """
    with _open(where, cache) as (repository, prefix):
        return git.resolve(repository, f"{prefix}{ref}", where).committed_datetime.date().isoformat()


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
    begins = data.rfind(_PGP) + 1  # as git does: the last signature counts, and what is above it was signed
    signed, signature = (data[:begins], data[begins:]) if begins else (data, None)
    return TagText(
        name=_field(data, b"tag"),
        leads_to=_end(repository, data, ref),
        signed=signed,
        signature=signature,
        other_signature="SSH" if not begins and _SSH in data else "",
    )


def _end(repository: Repo, data: bytes, ref: str) -> str:
    """Follow tags of tags, such as upstream's v2.2-beta1, to what the last one tags."""
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
    """Return the bytes of a tag, None for another kind of object. Raises GitError."""
    from gitdb.exc import ODBError  # type: ignore[import-untyped]

    try:
        info = repository.odb.info(bytes.fromhex(sha))
        if info.type != b"tag":
            return None
        if info.size > _LIMIT:
            raise GitError(f"the tag {ref} is larger than {_LIMIT >> 20} MiB")
        data = bytes(repository.odb.stream(bytes.fromhex(sha)).read())
    except (ValueError, ODBError) as error:
        raise GitError(f"git can't read the tag {ref}", why=str(error), advice="use another clone: git fsck") from error
    if hashlib.sha1(b"tag %d\0" % len(data) + data, usedforsecurity=False).hexdigest() != sha:
        raise GitError(
            f"the tag {ref} is not what its id says",
            why=sha,
            advice="the clone is damaged or was tampered with: git fsck",
        )
    return data


def _field(data: bytes, name: bytes) -> str:
    """Return the value of the field ``name`` in the tag's header, empty where there is none."""
    header = data.split(b"\n\n", 1)[0]
    line = re.search(rb"^%b (.*)$" % name, header, re.MULTILINE)
    return line[1].decode("utf-8", "replace") if line else ""

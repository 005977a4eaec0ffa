"""A mirror: a folder that holds all that a set of builds needs, with an index that names every file and its hash.

``PATCHKIT_MIRROR`` names it, as a folder or, served by any web server, as a URL. Source tarballs lie in it under
their own names, so that a folder that somebody filled by hand works as well; releases without a pinned tarball are
tags of its ``openvpn.git``; and images of the docker engine are known by the index alone.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from patchkit.errors import MirrorError, WrongHashError
from patchkit.source import download, git, places
from patchkit.source.cache import Cache
from patchkit.source.places import Place
from patchkit.storage import writing
from patchkit.ui import Ui

INDEX = "mirror.json"
CHECKSUMS = "SHA256SUMS"
REPOSITORY = "openvpn.git"
_INDEX_LIMIT = 4 << 20  # bytes; an index of all releases has some 40 kB


FileKind = Literal["source", "library", "given", "image"]
"""A pinned tarball of OpenVPN or of a library, a library's source given by hand, or an image for Docker."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MirrorFile(_Part):
    """One file of a mirror."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")
    kind: FileKind
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int
    """In bytes."""
    serves: list[str]
    """The releases that it is there for."""


class MirrorTag(_Part):
    """One tag of a mirror's repository, with what it must lead to."""

    tag: str
    commit: str
    tree: str


class MirrorIndex(_Part):
    """What a mirror holds: ``mirror.json``."""

    schema_version: Literal[1] = 1
    files: list[MirrorFile] = []
    tags: list[MirrorTag] = []

    def file(self, name: str) -> MirrorFile | None:
        """The entry of a file."""
        return next((one for one in self.files if one.name == name), None)


def read_index(folder: Path) -> MirrorIndex | None:
    """The index of a folder; None where there is none. Raises MirrorError for one that is damaged."""
    path = folder / INDEX
    if not path.is_file():
        return None
    with writing(path):
        return parse_index(path.read_bytes(), str(path))


def parse_index(data: bytes, where: str) -> MirrorIndex:
    """An index. Raises MirrorError for what is none."""
    try:
        return MirrorIndex.model_validate_json(data)
    except ValidationError as error:
        raise MirrorError(
            f"{where} is not the index of a mirror",
            why="\n".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors()[:3]),
            advice="patchkit mirror sync writes it anew",
        ) from error


def indexed(name: str, cache: Cache, ui: Ui) -> Path | None:
    """A file that only an index vouches for, from the first of the user's mirrors that has it.

    Raises WrongHashError where it is not what the index says, and MirrorError for a damaged index.
    """
    for place, index in _indices():
        entry = index.file(name)
        if entry is None:
            continue
        if place.path is not None:
            path = place.path / name
            if path.is_file() and sha256_of(path) != entry.sha256:
                raise WrongHashError(
                    f"{path} is not what {INDEX} says",
                    why=f"wanted sha256 {entry.sha256}\nfound  sha256 {sha256_of(path)}",
                    advice=f"patchkit mirror verify {place.path}",
                )
            if path.is_file():
                return path
            continue
        wanted = download.Wanted(name, entry.sha256, entry.size)
        return _fetch_from(Place(f"{place.where.rstrip('/')}/{name}", mirror=True), wanted, cache, ui)
    return None


def repository_with(tag: str) -> str | None:
    """A repository that has this tag, in one of the user's mirrors that are folders."""
    for where in places.mirrors():
        path = Place(where).path
        if path is None or not (path / REPOSITORY).is_dir():
            continue
        repository = git.open_repository(path / REPOSITORY)
        try:
            if tag in git.tags(repository, tag):
                return str(path / REPOSITORY)
        finally:
            repository.close()
    return None


def sha256_of(path: Path) -> str:
    """The hash of a file, in hex."""
    with writing(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put(source: Path, folder: Path, name: str) -> None:
    """Copy a file into a mirror: whole under its name, or not at all."""
    part = folder / f".{name}.part"
    with writing(part):
        try:
            shutil.copyfile(source, part)
            part.replace(folder / name)
        finally:
            part.unlink(missing_ok=True)


def _fetch_from(place: Place, wanted: download.Wanted, cache: Cache, ui: Ui) -> Path:
    return download.fetch(wanted, lambda: [place], cache, ui)


def _indices() -> Iterator[tuple[Place, MirrorIndex]]:
    for where in places.mirrors():
        place = Place(where)
        index = _fetched_index(place.where) if place.path is None else read_index(place.path)
        if index is not None:
            yield place, index


def _fetched_index(url: str) -> MirrorIndex | None:
    import requests

    where = f"{url.rstrip('/')}/{INDEX}"
    try:
        with requests.get(where, timeout=(download.CONNECT_TIMEOUT, download.READ_TIMEOUT), stream=True) as answer:
            if answer.status_code != requests.codes.ok:
                return None
            return parse_index(answer.raw.read(_INDEX_LIMIT, decode_content=True), where)
    except requests.RequestException:
        return None  # one dead mirror is no reason to fail: another place may have it

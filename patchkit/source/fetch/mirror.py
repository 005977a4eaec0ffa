"""A mirror: a folder with everything that a set of builds needs, and an index of every file and its hash.

``PATCHKIT_MIRROR`` names it, as a folder or, served by any web server, as a URL. Source tarballs have their own names
in it, so that a folder filled by hand works as well; releases without a pinned tarball are tags of its ``openvpn.git``,
which is read in folders only; images of the docker engine are found through the index alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import FailFast, Field, model_validator

from patchkit.context import Context
from patchkit.errors import MirrorError, NetworkUnavailableError, PlacesExhaustedError, WrongHashError
from patchkit.json_schema import Part, validated
from patchkit.source.fetch import download, from_url, places
from patchkit.source.fetch.from_url import ExpectedFile, PlaceFailedError
from patchkit.source.fetch.places import Place
from patchkit.source.git import repository as git
from patchkit.source.tree.tree import Origin
from patchkit.storage import opened, sha256_of, writing

INDEX = "mirror.json"
CHECKSUMS = "SHA256SUMS"
REPOSITORY = "openvpn.git"
_INDEX_LIMIT = 4 << 20  # bytes; an index of all releases has some 40 kB


FileKind = Literal["source", "library", "given", "image", "guest", "compiler"]
"""A pinned tarball of OpenVPN or of a library, a library's source given by hand, an image for Docker, a package of the
lab's guest, the source of its kernel among them, or the wheel of a compiler."""

# Names in an index, which anyone may have written: nothing that leaves the folder or controls a terminal.
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+~-]*$", max_length=200)]
_GitId = Annotated[str, Field(pattern="^[0-9a-f]{40}$")]


class MirrorFile(Part):
    """One file of a mirror."""

    name: _Name
    kind: FileKind
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0)
    """In bytes."""
    serves: list[_Name]
    """The releases that need the file."""


class MirrorTag(Part):
    """One tag of a mirror's repository, with the commit and tree that it must lead to."""

    tag: _Name
    commit: _GitId
    tree: _GitId


class MirrorGap(Part):
    """Something that a sync was asked for and that the mirror does not have."""

    what: str = Field(pattern=r"^[ -~]*$", max_length=200)
    serves: list[_Name]
    """The releases that need it."""


class MirrorIndex(Part):
    """The contents of a mirror: ``mirror.json``."""

    schema_version: Literal[1] = 1
    files: Annotated[list[MirrorFile], FailFast()] = Field(default=[])
    tags: Annotated[list[MirrorTag], FailFast()] = Field(default=[])
    gaps: Annotated[list[MirrorGap], FailFast()] = Field(default=[])
    """What was asked for and is missing: the sync failed, or was ended, before it had it."""

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        for names in ([file.name for file in self.files], [tag.tag for tag in self.tags]):
            if len(set(names)) < len(names):
                raise ValueError("it names a file or tag twice")
        return self

    def file(self, name: str) -> MirrorFile | None:
        """Return the entry of the file ``name``, or None."""
        return next((entry for entry in self.files if entry.name == name), None)


def read_index(folder: Path) -> MirrorIndex | None:
    """Read the index of ``folder``; None where there is none. Raises MirrorError or StorageError for a damaged one."""
    path = folder / INDEX
    if not path.is_file():
        return None
    with opened(path) as file:
        data = file.read(_INDEX_LIMIT + 1)
    return parse_index(data, str(path))


def parse_index(data: bytes, where: str) -> MirrorIndex:
    """Parse ``data``, read from ``where``, as an index. Raises MirrorError where it is not one."""
    if len(data) > _INDEX_LIMIT:
        raise MirrorError(f"{where} is not the index of a mirror", why=f"it is larger than {_INDEX_LIMIT >> 20} MiB")
    try:
        return validated(MirrorIndex, data)
    except ValueError as error:
        raise MirrorError(
            f"{where} is not the index of a mirror", why=str(error), advice="patchkit mirror sync writes it anew"
        ) from error


def indexed(name: str, context: Context) -> Path | None:
    """Return the file ``name`` from the first of the user's mirrors whose index has it; None if none has.

    Raises WrongHashError where the file is not the one in the index, and MirrorError for a damaged index.
    """
    for place, index in _indices(context):
        entry = index.file(name)
        if entry is None:
            continue
        path = _fetched(place, entry, context) if place.path is None else _local(place.path, entry)
        if path is not None:
            return path
    return None


def repository_with(tag: str) -> str | None:
    """Return the path of a repository with ``tag`` in the user's mirrors that are folders; None if none has it.

    Raises GitError.
    """
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


def tag_in(folder: Path, tag: str, context: Context) -> Origin:
    """Return what ``tag`` of the repository of the mirror ``folder`` leads to; every object is read and hashed.

    Raises UnknownVersionError where there is no such tag, and GitError for a damaged repository.
    """
    tree = git.tree_at(str(folder.absolute() / REPOSITORY), tag, context)
    tree.tar("whole")
    return tree.origin


def put(source: Path, folder: Path, name: str) -> None:
    """Copy the file ``source`` into the mirror ``folder``: whole under ``name``, or not at all.

    Raises DiskFullError or StorageError.
    """
    part = folder / f".{name}.part"
    with writing(part):
        try:
            shutil.copyfile(source, part)
            part.replace(folder / name)
        finally:
            part.unlink(missing_ok=True)


def _local(folder: Path, entry: MirrorFile) -> Path | None:
    path = folder / entry.name
    if not path.is_file():
        return None
    actual = sha256_of(path)
    if actual != entry.sha256:
        raise _not_as_indexed(str(path), f"indexed sha256 {entry.sha256}\nactual  sha256 {actual}", str(folder))
    return path


def _fetched(mirror: Place, entry: MirrorFile, context: Context) -> Path | None:
    place = Place(f"{mirror.where.rstrip('/')}/{entry.name}", mirror=True)
    # Two mirrors may have different files of one name: in the cache each has a name of its own.
    file = ExpectedFile(f"{entry.sha256[:16]}-{entry.name}", entry.sha256, entry.size)
    try:
        return download.fetch(file, lambda: [place], context)
    except (NetworkUnavailableError, PlacesExhaustedError) as error:
        context.ui.note(f"{error.what}: {error.why}")
        return None  # another mirror may have it
    except WrongHashError as error:
        raise _not_as_indexed(place.where, error.why, "DIR, where that mirror is a folder") from error


def _not_as_indexed(where: str, why: str, folder: str) -> WrongHashError:
    return WrongHashError(f"{where} is not what {INDEX} says", why=why, advice=f"patchkit mirror verify {folder}")


def _indices(context: Context) -> Iterator[tuple[Place, MirrorIndex]]:
    for where in places.mirrors():
        place = Place(where)
        index = _fetched_index(place.where, context) if place.path is None else read_index(place.path)
        if index is not None:
            yield place, index


def _fetched_index(url: str, context: Context) -> MirrorIndex | None:
    where = f"{url.rstrip('/')}/{INDEX}"
    try:
        data = from_url.read(where, _INDEX_LIMIT)
    except PlaceFailedError as failure:
        # A dead mirror is not a reason to fail: another place may have the file. One that can't prove who it is must
        # not go unnoticed.
        (context.ui.warn if failure.insecure else context.ui.note)(f"{where}: {failure}")
        return None
    return None if data is None else parse_index(data, where)

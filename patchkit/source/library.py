"""The source of a library: the pinned tarball, or one given with ``--openssl-source``, which need not be pinned."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from patchkit.context import Context
from patchkit.errors import BadSourceError, BadUsageError, OfflineError, UnknownVersionError
from patchkit.releases.libraries import Library
from patchkit.releases.version import shown
from patchkit.source.fetch import download, places
from patchkit.source.fetch.from_url import ExpectedFile
from patchkit.source.git import repository
from patchkit.source.tree import directory
from patchkit.source.tree.tarball import as_tree
from patchkit.source.tree.tree import Origin, SourceTree
from patchkit.storage import expanded

_OPTION = "--openssl-source"
# To 1.1.1 the version is a text in a header, which crypto/cversion.c puts into the library as it stands.
_HEADERS = ("include/openssl/opensslv.h", "crypto/opensslv.h")
# "OpenSSL 1.0.2u  20 Dec 2019"; a snapshot's date is "xx XXX xxxx".
_TEXT = re.compile(r'OPENSSL_VERSION_TEXT\s+"OpenSSL ([0-9][\w.+-]*)[^"\n]*"', re.ASCII)
_VERSION = re.compile(r"(\d+\.\d+\.\d+)(-[\w.+-]+)?", re.ASCII)


@dataclass(frozen=True)
class LibrarySource:
    """A library's source, and the version that it names itself."""

    library: Library
    """The pinned release that the source stands for."""
    version: str
    origin: Origin
    """Where the source came from, as far as known without unpacking: a pinned tarball's epoch is not."""
    read: Callable[[], SourceTree]
    pinned_tarball: Path | None = None
    """The file that the source was read from, where that is the pinned tarball."""

    @property
    def verified(self) -> bool:
        """Whether a pin covers every byte."""
        return self.origin.verified

    @cached_property
    def tree(self) -> SourceTree:
        """The files, unpacked at the first use: a compiled library in the cache needs none."""
        return self.read()


def obtain_library(library: Library, given: Sequence[str], context: Context) -> LibrarySource:
    """Return the first of the ``given`` sources that is of the library's branch; with none given, the pinned tarball.

    ``given`` are tarballs, folders, or ``GIT`` and ``GIT#REF``; without a ref, the pinned release's tag is looked up,
    then the branch of the series. Raises BadUsageError where all that are given are of other branches, BadSourceError
    for one that is not an OpenSSL, and what the download and git raise.
    """
    source, misfits = _first_fitting(library, given, context)
    if source is None and misfits:
        raise BadUsageError(
            f"{library.title} {library.branch} is needed, and {_OPTION} gives another one",
            why="\n".join(misfits),
            advice=f"give a source of {library.branch} too: the option may be repeated",
        )
    return source or _pinned(library, context)


def obtain_library_or_pinned(library: Library, given: Sequence[str], context: Context) -> LibrarySource:
    """Return the first of the ``given`` sources that is of the library's branch, or the pinned tarball if none is.

    For a command that builds many releases: the sources may be meant for others. Raises what :func:`obtain_library`
    does but BadUsageError.
    """
    return _first_fitting(library, given, context)[0] or _pinned(library, context)


def tarball_path(library: Library, context: Context) -> Path:
    """Return the library's pinned tarball in the cache. Raises the download's errors."""
    pin = library.tarball
    places_to_ask = partial(places.places_for_library, library, offline=context.offline)
    advice = f"{_OPTION} TARBALL|GIT takes another source of {library.title} {library.branch}"
    return download.fetch(ExpectedFile(pin.name, pin.sha256, pin.size), places_to_ask, context, advice=advice)


def _first_fitting(
    library: Library, given: Sequence[str], context: Context
) -> tuple[LibrarySource | None, Sequence[str]]:
    """Return the first source of the library's branch, and what each source before it is instead."""
    misfits: list[str] = []
    for text in given:
        source = _given(library, text, context)
        if isinstance(source, LibrarySource):
            return source, misfits
        misfits.append(f"{text}: {source}")
    return None, misfits


def _pinned(library: Library, context: Context) -> LibrarySource:
    pin = library.tarball
    path = tarball_path(library, context)
    size = path.stat().st_size
    origin = Origin(kind="tarball", name=pin.name, verified=True, epoch=0, sha256=pin.sha256, size=size)
    return LibrarySource(library, library.version, origin, lambda: as_tree(path.read_bytes(), origin), path)


def version_in(tree: SourceTree) -> str:
    """Return the version that the OpenSSL in ``tree`` names itself, without its date.

    Raises BadSourceError where the tree is not an OpenSSL.
    """
    if "VERSION.dat" in tree:
        rows = dict(re.findall(r"^(\w+)=(.*)$", tree.read("VERSION.dat").decode("utf-8", "replace"), re.MULTILINE))
        pre = f"-{tag}" if (tag := rows.get("PRE_RELEASE_TAG", "").strip('"')) else ""
        version = ".".join(rows.get(part, "") for part in ("MAJOR", "MINOR", "PATCH")) + pre
        if _VERSION.fullmatch(version):
            return version
    for header in _HEADERS:
        if header in tree and "Configure" in tree:
            texts: list[str] = _TEXT.findall(tree.read(header).decode("utf-8", "replace"))
            plain = [text for text in texts if "-fips" not in text]
            if plain:
                return plain[0]
    raise BadSourceError(
        f"{tree.origin.name} is not a source of OpenSSL",
        why="neither VERSION.dat nor opensslv.h names a version",
        advice=f"check {_OPTION}",
    )


def _given(library: Library, text: str, context: Context) -> LibrarySource | str:
    """Return the source that ``text`` leads to; where it is of another branch, say which."""
    path = None if repository.is_url(text) else _local(text)
    tarball = None
    if path is not None and path.is_dir() and not any((path / name).exists() for name in ("Configure", ".git", "HEAD")):
        raise BadSourceError(
            f"{text} is not a source of OpenSSL",
            why="it has no Configure, and is not a git repository",
            advice=f"check {_OPTION}",
        )
    if path is not None and (path.is_file() or (path / "Configure").is_file()):
        tree = directory.any_tree(path, _OPTION)
        if tree.origin.sha256 == library.tarball.sha256:
            tree, tarball = SourceTree(replace(tree.origin, verified=True), tree.entries), path
    else:
        where, ref = _split(text) if path is None else (text, "")
        tree_or_none = _from_git(where, [ref] if ref else [library.tag, library.stable], context)
        if tree_or_none is None:
            return f"it has neither {library.tag} nor {library.stable}"
        tree = tree_or_none
    version = version_in(tree)
    if not re.match(rf"{re.escape(library.branch)}(?!\d)", version):
        return f"OpenSSL {version}"
    return LibrarySource(library, version, tree.origin, lambda: tree, tarball)


def _local(text: str) -> Path | None:
    """Return the file or folder whose name is all of ``text``, if there is one; a ``#`` may be part of it."""
    path = expanded(text)
    try:
        return path if text and path.exists() else None
    except OSError:  # too long a name
        return None


def _split(text: str) -> tuple[str, str]:
    """Split ``GIT#REF`` into repository and ref. Raises BadSourceError where there can be no repository."""
    where, _, ref = text.partition("#")
    if not repository.is_url(where) and _local(where) is None:
        raise BadSourceError(
            f"there is no tarball, folder or repository {shown(where)}", advice=f"{_OPTION} TARBALL, GIT or GIT#REF"
        )
    return where, ref


def _from_git(where: str, refs: Sequence[str], context: Context) -> SourceTree | None:
    """Return the tree of the first of ``refs`` that exists; None where none of several does."""
    absent: UnknownVersionError | OfflineError | None = None
    for ref in refs:
        try:
            return repository.tree_at(where, ref, context)
        except (UnknownVersionError, OfflineError) as error:
            absent = absent or error
    if absent is not None and (len(refs) == 1 or isinstance(absent, OfflineError)):
        raise absent
    return None

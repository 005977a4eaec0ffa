"""Get a source of the kernel: the first pinned one in reach, or the newest that Debian's archive has signed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from patchkit.context import Context
from patchkit.errors import (
    BadSignatureError,
    GuestError,
    NetworkUnavailableError,
    OfflineError,
    OpenPgpMissingError,
    PatchkitError,
    PlacesExhaustedError,
    StorageError,
    WrongHashError,
)
from patchkit.lab.guest.kernel.pins import SourcePackage, pinned
from patchkit.source.fetch import debian, signed_index
from patchkit.source.fetch.download import fetch
from patchkit.source.fetch.from_url import ExpectedFile
from patchkit.source.fetch.places import Place, mirrors
from patchkit.source.fetch.signed_index import ARCHIVE, Fields

_SNAPSHOT = "https://snapshot.debian.org/archive/debian/{moment}/{file}"
_ADVICE = "PATCHKIT_UML=PATH takes a kernel that you have built; --link qemu needs none"
SUITES = ("trixie-backports", "forky", "sid")
"""Where a newer source is looked for once no pinned one is left."""
_NAME = re.compile(r"linux-source-(7\.\d+)")
_GONE = (NetworkUnavailableError, OfflineError, PlacesExhaustedError, WrongHashError)
_NOT_BELIEVED = (*_GONE, BadSignatureError, OpenPgpMissingError, StorageError)

_Places = Callable[[SourcePackage], list[Place]]


def obtained(context: Context) -> tuple[SourcePackage, Path]:
    """Return a source of the kernel and its file in the cache, which has the pinned or signed hash.

    Raises GuestError where no place has one; DiskFullError or StorageError.
    """
    failures: list[PatchkitError] = []
    for source, places in _attempts(context):
        try:
            return source, _fetched(source, places, context)
        except _GONE as error:
            failures.append(error)
    if not context.offline and not _unreachable(failures):
        try:
            source = newest(context)
            context.ui.warn(f"no pinned source of the lab's kernel is left: taking {source.name} {source.version}")
            return source, _fetched(source, _near, context)
        except (*_GONE, GuestError) as error:
            failures.append(error)
    first, last = failures[0], failures[-1]
    raise GuestError(
        "no place has a source of the lab's kernel",
        why="\n".join(dict.fromkeys(f"{error.what}: {error.why}" for error in (first, last))),
        advice=f"put {pinned()[0].file_name} into a folder and set PATCHKIT_MIRROR to it; {_ADVICE}",
    ) from first


def newest(context: Context) -> SourcePackage:
    """Return the newest source of a kernel 7 that a signed index of :data:`SUITES` names.

    Raises GuestError where no index can be had, or none that is signed names one.
    """
    sources: list[SourcePackage] = []
    failures: list[str] = []
    for suite in SUITES:
        for base in signed_index.mirrors():
            try:
                index = signed_index.read_index(base, suite, context)
            except _NOT_BELIEVED as error:
                failures.append(f"{error.what}: {error.why}")
                continue
            sources += [source for fields in index.packages if (source := _source(fields, suite, index.snapshot))]
            break
    if not sources:
        raise GuestError("no signed index names a source of the lab's kernel", why="\n".join(failures))
    return max(sources, key=lambda source: _numbers(source.version))


def _attempts(context: Context) -> Iterator[tuple[SourcePackage, _Places]]:
    """Every pinned source that is in the cache, then all where they are quick to get, then all at the archive of all.

    Offline, the user's mirrors are the only places.
    """
    downloads = context.cache.downloads
    for source in pinned():
        if (downloads / source.file_name).is_file():
            yield source, (lambda _: []) if context.offline else _near
    for places in (_given,) if context.offline else (_near, _far):
        for source in pinned():
            yield source, places


def _given(source: SourcePackage) -> list[Place]:
    return [Place(f"{mirror.rstrip('/')}/{source.file_name}", mirror=True) for mirror in mirrors()]


def _near(source: SourcePackage) -> list[Place]:
    bases = dict.fromkeys((*debian.mirrors(), ARCHIVE))
    return [*_given(source), *(Place(f"{base}/{source.file}") for base in bases)]


def _far(source: SourcePackage) -> list[Place]:
    return [Place(_SNAPSHOT.format(moment=source.snapshot, file=source.file))]


def _fetched(source: SourcePackage, places: _Places, context: Context) -> Path:
    what = ExpectedFile(source.file_name, source.sha256, source.size)
    return fetch(what, lambda: places(source), context, advice=_ADVICE)


def _unreachable(failures: Sequence[PatchkitError]) -> bool:
    return all(isinstance(error, NetworkUnavailableError) for error in failures)


def _source(fields: Fields, suite: str, snapshot: str) -> SourcePackage | None:
    """Make a source of the paragraph of an index; None for any other package, and for one without the fields."""
    if _NAME.fullmatch(fields["Package"]) is None:
        return None
    with suppress(KeyError, ValueError):
        return SourcePackage(
            name=fields["Package"], version=fields["Version"], file=fields["Filename"], size=int(fields["Size"]),
            sha256=fields["SHA256"], suite=suite, snapshot=snapshot,
        )  # fmt: skip
    return None


def _numbers(version: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", version)]

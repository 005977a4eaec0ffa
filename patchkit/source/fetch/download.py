"""Get one file from the first of several places that has the right bytes, and keep it in the cache.

A place is a URL or a local file. Places are asked in order until a file has the pinned hash; a file with another hash
is kept under a name that says so. A part that one place, or an earlier run, left is resumed at the next place. Only a
file with the right hash gets its final name. A file that no pin knows is fetched anew, into a folder that the caller
names. :mod:`patchkit.source.fetch.from_url` reads one URL.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from patchkit.context import Context
from patchkit.errors import NetworkUnavailableError, OfflineError, PatchkitError, PlacesExhaustedError, WrongHashError
from patchkit.source.fetch import from_url
from patchkit.source.fetch.from_url import ExpectedFile, PlaceFailedError
from patchkit.source.fetch.places import Place
from patchkit.storage import is_full, sha256_of, writing
from patchkit.ui import Ui

_ADVICE = "--source or --git takes another source"


def fetch(file: ExpectedFile, places: Callable[[], Sequence[Place]], context: Context, *, advice: str = "") -> Path:
    """Return ``file`` in the cache, with the right hash. ``places`` is called only when the cache does not have it.

    ``advice`` is what else helps where no place has it, by default --source and --git.

    Raises OfflineError, NetworkUnavailableError, PlacesExhaustedError or WrongHashError; DiskFullError or StorageError.
    """
    final = context.cache.downloads / file.name
    with context.cache.lock(file.name):
        if final.exists():
            if sha256_of(final) == file.sha256:
                return final
            context.ui.warn(
                f"the cached {file.name} is damaged, kept as {_set_aside(final, file.name).name}; fetching it again"
            )
        return _from_places(file, places(), final, context, advice or _ADVICE)


def fetch_unpinned(name: str, places: Sequence[Place], folder: Path, context: Context) -> Path:
    """Fetch the file ``name``, which no pin knows, into ``folder`` from the first of ``places`` that has it.

    Nothing vouches for its bytes. Raises OfflineError, NetworkUnavailableError or PlacesExhaustedError; DiskFullError
    or StorageError.
    """
    file = ExpectedFile(name, "", None)
    part = folder / f".{name}.part"
    attempts = _Attempts()
    for place in places:
        with writing(folder):
            part.unlink(missing_ok=True)  # two places need not mean the same file
        try:
            _from_place(file, place, part, context.ui)
            _refuse_page(part)
        except PlaceFailedError as failure:
            attempts.failures.append((place, failure))
            continue
        with writing(folder):
            return part.replace(folder / name)
    with writing(folder):
        part.unlink(missing_ok=True)
    raise attempts.error(file, offline=context.offline, advice=_ADVICE)


def offer_failure(file: ExpectedFile, place: Place) -> PlaceFailedError | None:
    """Ask ``place`` once for ``file`` without reading it; return why it does not offer the file, None where it does."""
    if place.path is not None:
        return None if place.path.is_file() else PlaceFailedError("not there")
    try:
        from_url.check_offered(file, place.where)
    except PlaceFailedError as failure:
        return failure
    return None


@dataclass
class _Attempts:
    """What the places answered so far."""

    failures: list[tuple[Place, PlaceFailedError]] = field(default_factory=list)
    rejected: list[tuple[Place, Path]] = field(default_factory=list)
    """Files with another hash, and where they are kept."""

    def error(self, file: ExpectedFile, *, offline: bool, advice: str) -> PatchkitError:
        """Return what to raise when no place is left."""
        reasons = "\n".join(f"{place.where}: {failure}" for place, failure in self.failures)
        if self.rejected:
            kept = "\n".join(
                f"{place.where}: kept as {path}, sha256 {sha256_of(path)}" for place, path in self.rejected
            )
            return WrongHashError(
                f"{file.name} is not the file that upstream published",
                why=f"pinned sha256 {file.sha256}\n{kept}" + (f"\n{reasons}" if reasons else ""),
                advice="compare the kept file with one from another network; a pin is never loosened",
            )
        advice = f"put the file into a folder and set PATCHKIT_MIRROR to it; {advice}"
        if offline:
            return OfflineError(
                f"{file.name} is not available offline",
                why=reasons or "it is not in the cache, and no mirror is set",
                advice=advice,
            )
        requested = [failure for place, failure in self.failures if place.path is None]
        if requested and all(failure.unreachable for failure in requested):
            return NetworkUnavailableError(
                f"no network: {file.name} can't be fetched",
                why=reasons,
                advice=f"check the connection; {advice}",
            )
        return PlacesExhaustedError(f"no place has {file.name}", why=reasons or "no place is known", advice=advice)


def _from_places(file: ExpectedFile, places: Sequence[Place], final: Path, context: Context, advice: str) -> Path:
    attempts = _Attempts()
    part = final.with_name(final.name + ".part")
    for place in places:
        resumed = part.exists()
        try:
            _from_place(file, place, part, context.ui)
            if resumed and sha256_of(part) != file.sha256:
                # The part may have been another place's, or another day's: this place gets a fair chance.
                part.unlink()
                _from_place(file, place, part, context.ui)
        except PlaceFailedError as failure:
            attempts.failures.append((place, failure))
            if failure.insecure and place.mirror:
                context.ui.warn(f"{place.where}: {failure}")
            continue
        if sha256_of(part) == file.sha256:
            with writing(final):
                part.replace(final)
            return final
        aside = _set_aside(part, final.name)
        attempts.rejected.append((place, aside))
        context.ui.warn(f"{place.where} serves something else as {file.name}; kept as {aside}")
    raise attempts.error(file, offline=context.offline, advice=advice)


def _from_place(file: ExpectedFile, place: Place, part: Path, ui: Ui) -> None:
    if place.path is None:
        from_url.download(file, place.where, part, ui)
    else:
        _copy(place.path, part)


def _copy(path: Path, part: Path) -> None:
    if not path.is_file():
        raise PlaceFailedError("not there")
    with writing(part):
        part.touch()
    try:
        shutil.copyfile(path, part)
    except OSError as error:
        if is_full(error):
            with writing(part):
                raise
        raise PlaceFailedError(f"can't be read: {error.strerror}") from error


def _refuse_page(part: Path) -> None:
    """Raise PlaceFailedError for a portal's page, whatever it is called: no archive or signature begins like one."""
    with writing(part), part.open("rb") as file:
        if file.read(64).lstrip().startswith(b"<"):
            raise PlaceFailedError("a web page instead of the file")


def _set_aside(path: Path, name: str) -> Path:
    """Rename a file that is not the pinned one to a name that says so."""
    aside = path.with_name(f"{name}.rejected-{sha256_of(path)[:12]}")
    with writing(aside):
        path.replace(aside)
    return aside

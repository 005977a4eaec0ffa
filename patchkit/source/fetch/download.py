"""Fetch one pinned file from the first of several places that has the right bytes.

Resumes where an earlier run stopped, hashes while streaming, retries what may pass, and puts a file
under its final name only once its hash is right.
"""

from __future__ import annotations

import errno
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from patchkit.context import Context
from patchkit.errors import NetworkUnavailableError, OfflineError, PlacesExhaustedError, WrongHashError
from patchkit.source.fetch.places import Place
from patchkit.storage import sha256_of, writing
from patchkit.ui import Ui

if TYPE_CHECKING:
    import requests

CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 60.0  # seconds without a byte
PAUSES = (0.5, 2.0)  # seconds before the second and the third try at one place
_CHUNK = 1 << 18
_MOST = 1 << 28  # bytes of a file whose size nobody has stated; the largest source has some 20 MB
_ADVICE = "--source or --git takes another source"


@dataclass(frozen=True)
class ExpectedFile:
    """A file and what it must be: ``size`` in bytes (None where unknown), ``sha256`` in hex."""

    name: str
    sha256: str
    size: int | None


class _PlaceFailedError(Exception):
    """This place can't give the file; ``unreachable`` when it was never even spoken to."""

    def __init__(self, why: str, *, unreachable: bool = False) -> None:
        super().__init__(why)
        self.unreachable = unreachable


class _TryAgainError(Exception):
    """Something that may pass: a time-out, a broken connection, a 5xx."""


def fetch(wanted: ExpectedFile, places: Callable[[], Sequence[Place]], context: Context, *, advice: str = "") -> Path:
    """The file, in the cache, with the right hash. ``places`` is asked only when the cache does not have it.

    ``advice`` is what else helps where no place has it; a file of OpenVPN's own has --source and --git.

    Raises OfflineError, NetworkUnavailableError, PlacesExhaustedError or WrongHashError.
    """
    final = context.cache.downloads / wanted.name
    with context.cache.lock(wanted.name):
        if final.exists():
            if sha256_of(final) == wanted.sha256:
                return final
            context.ui.warn(
                f"the cached {wanted.name} is damaged, kept as {_set_aside(final, wanted).name}; fetching it again"
            )
        return _from_places(wanted, places(), final, context.ui, offline=context.offline, advice=advice or _ADVICE)


def fetch_unpinned(name: str, places: Sequence[Place], folder: Path, ui: Ui, *, offline: bool = False) -> Path:
    """A file that no pin knows, newly fetched into ``folder`` from the first place that has one of that name.

    What it is worth, others have to say. Raises OfflineError, NetworkUnavailableError or PlacesExhaustedError.
    """
    wanted = ExpectedFile(name, "", None)
    part = folder / f".{name}.part"
    failures: list[tuple[Place, _PlaceFailedError]] = []
    for place in places:
        with writing(folder):
            part.unlink(missing_ok=True)  # two places need not mean the same file
        try:
            _from_place(wanted, place, part, ui)
            _refuse_page(part)
        except _PlaceFailedError as failure:
            failures.append((place, failure))
            continue
        with writing(folder):
            return part.replace(folder / name)
    with writing(folder):
        part.unlink(missing_ok=True)
    raise _failure(wanted, failures, [], offline=offline, advice=_ADVICE)


def _from_places(
    wanted: ExpectedFile, places: Sequence[Place], final: Path, ui: Ui, *, offline: bool, advice: str
) -> Path:
    failures: list[tuple[Place, _PlaceFailedError]] = []
    rejected: list[tuple[Place, Path]] = []
    part = final.with_name(final.name + ".part")
    for place in places:
        resumed = part.exists()
        try:
            _from_place(wanted, place, part, ui)
            if resumed and sha256_of(part) != wanted.sha256:
                # The part may have been another place's, or another day's: this one gets a fair trial.
                part.unlink()
                _from_place(wanted, place, part, ui)
        except _PlaceFailedError as failure:
            failures.append((place, failure))
            continue
        if sha256_of(part) == wanted.sha256:
            with writing(final):
                part.replace(final)
            return final
        rejected.append((place, _set_aside(part, wanted, final.name)))
        ui.warn(f"{place.where} serves something else as {wanted.name}; kept as {rejected[-1][1]}")
    raise _failure(wanted, failures, rejected, offline=offline, advice=advice)


def _failure(
    wanted: ExpectedFile,
    failures: list[tuple[Place, _PlaceFailedError]],
    rejected: list[tuple[Place, Path]],
    *,
    offline: bool,
    advice: str,
) -> Exception:
    reasons = "\n".join(f"{place.where}: {failure}" for place, failure in failures)
    if rejected:
        kept = "\n".join(f"{place.where}: kept as {path}, sha256 {sha256_of(path)}" for place, path in rejected)
        return WrongHashError(
            f"{wanted.name} is not the file that upstream published",
            why=f"wanted sha256 {wanted.sha256}\n{kept}" + (f"\n{reasons}" if reasons else ""),
            advice="compare the kept file with one from another network; a pin is never loosened",
        )
    advice = f"put the file into a folder and set PATCHKIT_MIRROR to it; {advice}"
    if offline:
        return OfflineError(
            f"{wanted.name} is not at hand",
            why=reasons or "it is not in the cache, and no mirror is set",
            advice=advice,
        )
    asked = [failure for place, failure in failures if place.path is None]
    if asked and all(failure.unreachable for failure in asked):
        return NetworkUnavailableError(
            f"no network: {wanted.name} can't be fetched",
            why=reasons,
            advice=f"check the connection; {advice}",
        )
    return PlacesExhaustedError(f"no place has {wanted.name}", why=reasons or "no place is known", advice=advice)


def _from_place(wanted: ExpectedFile, place: Place, part: Path, ui: Ui) -> None:
    if place.path is not None:
        _copy(place.path, part)
        return
    import requests

    with requests.Session() as session:
        for pause in PAUSES:
            try:
                _stream(session, wanted, place.where, part, ui)
            except _TryAgainError as error:
                ui.note(f"{place.where}: {error}; trying again in {pause:g} s")
                time.sleep(pause)
            else:
                return
        try:
            _stream(session, wanted, place.where, part, ui)
        except _TryAgainError as error:
            raise _PlaceFailedError(f"{error} (tried {len(PAUSES) + 1} times)") from error


def _refuse_page(part: Path) -> None:
    """A portal's page may be called anything; neither an archive nor a signature begins like one."""
    with writing(part), part.open("rb") as file:
        if file.read(64).lstrip().startswith(b"<"):
            raise _PlaceFailedError("a web page instead of the file")


@dataclass(frozen=True)
class Refusal:
    """Why a place would not give a file; ``unreachable`` when it was not even spoken to."""

    why: str
    unreachable: bool


def refusal(wanted: ExpectedFile, place: Place) -> Refusal | None:
    """Ask a place for a file without taking it, once; None where it offers the file."""
    if place.path is not None:
        return None if place.path.is_file() else Refusal("not there", unreachable=False)
    import requests

    with requests.Session() as session:
        try:
            _stream(session, wanted, place.where, None, Ui(quiet=True))
        except _PlaceFailedError as error:
            return Refusal(str(error), error.unreachable)
        except _TryAgainError as error:
            return Refusal(str(error), unreachable=False)
    return None


def _copy(path: Path, part: Path) -> None:
    if not path.is_file():
        raise _PlaceFailedError("not there")
    with writing(part):
        part.touch()
    try:
        shutil.copyfile(path, part)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            with writing(part):
                raise
        raise _PlaceFailedError(f"can't be read: {error.strerror}") from error


def _stream(session: requests.Session, wanted: ExpectedFile, url: str, part: Path | None, ui: Ui) -> None:
    """Add to ``part`` what it lacks; without one, only ask."""
    import requests

    have = part.stat().st_size if part is not None and part.exists() else 0
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    try:
        with session.get(url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as answer:
            if part is not None and answer.status_code == requests.codes.requested_range_not_satisfiable and have:
                part.unlink()
                raise _TryAgainError("the part kept from an earlier run does not fit")
            _check_answer(answer, wanted, have)
            if part is None:
                return
            resumed = answer.status_code == requests.codes.partial_content
            ui.note(f"from {url}" + (f", resuming at {have} bytes" if resumed else ""))
            _save(answer, wanted, part, have if resumed else 0, ui)
    except requests.ConnectTimeout as error:
        raise _PlaceFailedError(f"no answer within {CONNECT_TIMEOUT:g} s", unreachable=True) from error
    except requests.exceptions.SSLError as error:
        raise _PlaceFailedError(f"TLS: {_root(error)}") from error
    except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL, requests.TooManyRedirects) as error:
        raise _PlaceFailedError(_root(error)) from error  # it would lead there again
    except requests.ConnectionError as error:
        if _never_connected(error):
            raise _PlaceFailedError(_root(error), unreachable=True) from error
        raise _TryAgainError(f"the connection broke: {_root(error)}") from error
    except requests.RequestException as error:
        raise _TryAgainError(_root(error)) from error


def _check_answer(answer: requests.Response, wanted: ExpectedFile, have: int) -> None:
    if answer.status_code >= 500 or answer.status_code == 429:
        raise _TryAgainError(f"HTTP {answer.status_code}")
    if answer.status_code not in (200, 206):
        raise _PlaceFailedError(f"HTTP {answer.status_code}")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise _PlaceFailedError("a web page instead of the file")
    length = answer.headers.get("Content-Length", "")
    expected = None if wanted.size is None else wanted.size - (have if answer.status_code == 206 else 0)
    if length.isdecimal() and expected is not None and int(length) != expected:
        raise _PlaceFailedError(f"{length} bytes offered, {expected} wanted")


def _save(answer: requests.Response, wanted: ExpectedFile, part: Path, have: int, ui: Ui) -> None:
    with writing(part), part.open("ab" if have else "wb") as out, ui.bar(wanted.name, wanted.size) as advance:
        advance(have)
        for chunk in _chunks(answer):
            out.write(chunk)
            advance(len(chunk))
            if wanted.size is not None and out.tell() > wanted.size:
                raise _PlaceFailedError(f"more than the {wanted.size} bytes wanted")
            if out.tell() > _MOST:
                raise _PlaceFailedError(f"more than {_MOST >> 20} MiB")
        if wanted.size is not None and out.tell() < wanted.size:
            raise _TryAgainError(f"it ended after {out.tell()} of {wanted.size} bytes")


def _chunks(answer: requests.Response) -> Iterator[bytes]:
    """The body as it is on the wire: a server that calls every .gz "gzip-encoded" does not get it unpacked.

    A broken connection is told apart here, because requests' errors are OSErrors as the disk's are.
    """
    from urllib3.exceptions import HTTPError

    try:
        yield from answer.raw.stream(_CHUNK, decode_content=False)
    except HTTPError as error:
        raise _TryAgainError(f"the connection broke: {_root(error)}") from error


def _never_connected(error: BaseException) -> bool:
    """True where not even a connection came about: no such name, refused, no route."""
    from urllib3.exceptions import NewConnectionError, ProxyError

    reason: object = error.args[0] if error.args else None
    return isinstance(getattr(reason, "reason", reason), (NewConnectionError, ProxyError))


def _set_aside(path: Path, wanted: ExpectedFile, name: str | None = None) -> Path:
    """Keep a file that is not the wanted one under a name that says so."""
    digest = sha256_of(path)
    aside = path.with_name(f"{name or wanted.name}.rejected-{digest[:12]}")
    with writing(aside):
        path.replace(aside)
    return aside


def _root(error: BaseException) -> str:
    """The innermost reason of a network error, in one line."""
    reason: object = error
    while isinstance(reason, BaseException):
        inner = getattr(reason, "reason", None) or (reason.args[0] if reason.args else None)
        if not isinstance(inner, BaseException):
            break
        reason = inner
    text = str(reason).splitlines()[0] if str(reason) else type(error).__name__
    # urllib3 puts the connection's repr in front: the URL beside this reason says the same.
    return re.sub(r"^\w+\(host=[^)]*\): ", "", text)

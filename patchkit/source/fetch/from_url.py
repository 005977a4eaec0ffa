"""Read one file from one http or https URL into a part file, resuming and retrying where that can help.

urllib3 sends a request again (:mod:`patchkit.source.fetch.retries`) until an answer begins. A body that breaks off is
resumed here with a Range request, because urllib3 retries no body; both kinds of retry are counted together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from patchkit import limits
from patchkit.storage import writing
from patchkit.ui import Ui

if TYPE_CHECKING:
    import requests
    from urllib3 import Retry

    from patchkit.source.fetch.patience import Patience

# Each of them is what PATCHKIT_NETWORK_TIMEOUT says, where it is set.
CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 60.0  # seconds without a byte
PATIENCE = 90.0  # seconds without an answer, or without a whole chunk
_CHUNK = 1 << 15  # bytes: with PATIENCE, 364 bytes a second are the slowest that is waited for
_MOST = 1 << 28  # bytes of a file whose size nobody has stated; the largest source has some 20 MB


@dataclass(frozen=True)
class ExpectedFile:
    """A file's name and what it must be: ``size`` in bytes (None where unknown), ``sha256`` in hex."""

    name: str
    sha256: str
    size: int | None


class PlaceFailedError(Exception):
    """One place does not give the file. ``unreachable`` is True when no connection to its host came about.

    ``insecure`` is True when TLS failed. Raised and caught within this package and doctor's, so it has no exit code.
    """

    def __init__(self, why: str, *, unreachable: bool = False, insecure: bool = False) -> None:
        super().__init__(why)
        self.unreachable = unreachable
        self.insecure = insecure


class _BrokenBodyError(Exception):
    """The body broke off, or the part file does not fit: the next request may succeed. Holds the retries left."""

    def __init__(self, why: str, answer: requests.Response, fallback: Retry) -> None:
        super().__init__(why)
        self.retries: Retry = answer.raw.retries or fallback


def download(file: ExpectedFile, url: str, part: Path, ui: Ui) -> None:
    """Append to ``part`` what it lacks of ``file``, from ``url``; the hash is not looked at.

    Raises PlaceFailedError, and DiskFullError or StorageError where ``part`` can't be written.
    """
    from urllib3.exceptions import MaxRetryError, ProtocolError

    from patchkit.source.fetch.retries import retries

    left: Retry = retries()
    while True:
        try:
            return _append(file, url, part, ui, left)
        except _BrokenBodyError as error:
            try:
                left = error.retries.increment("GET", url, error=ProtocolError(str(error)))
            except MaxRetryError:
                raise PlaceFailedError(f"{error} ({_requests(error.retries)})") from error
            ui.note(f"{url}: {error}; retrying in {left.get_backoff_time():g} s")
            left.sleep()


def check_offered(file: ExpectedFile, url: str) -> None:
    """Send one request for ``file`` to ``url`` and read no body. Raises PlaceFailedError where it is not offered."""
    from patchkit.source.fetch.retries import retries

    with requested(url, {}, retries(0)) as (answer, _):
        _check_answer(answer, file, 0)


def read(url: str, most: int) -> bytes | None:
    """Read what ``url`` gives, of unknown size, with one request: at most ``most`` bytes, and one more if there are.

    None where there is no such file, but perhaps a page. Raises PlaceFailedError.
    """
    from patchkit.source.fetch.retries import retries

    with requested(url, {}, retries(0)) as (answer, patience):
        if answer.status_code != 200 or answer.headers.get("Content-Type", "").startswith("text/html"):
            return None
        data = b""
        try:
            for chunk in _chunks(answer, patience):
                data += chunk
                if len(data) > most:
                    return data[: most + 1]
        except _TruncatedError as error:
            raise PlaceFailedError(str(error)) from error
        return data


def _append(file: ExpectedFile, url: str, part: Path, ui: Ui, retries: Retry) -> None:
    have = part.stat().st_size if part.exists() else 0
    with requested(url, {"Range": f"bytes={have}-"} if have else {}, retries) as (answer, patience):
        if answer.status_code == 416 and have:
            part.unlink()
            raise _BrokenBodyError("the part kept from an earlier run does not fit", answer, retries)
        _check_answer(answer, file, have)
        resumed = answer.status_code == 206
        ui.note(f"from {url}" + (f", resuming at {have} bytes" if resumed else ""))
        try:
            _save(_chunks(answer, patience), file, part, have if resumed else 0, ui)
        except _TruncatedError as error:
            raise _BrokenBodyError(str(error), answer, retries) from error


@contextmanager
def requested(url: str, headers: dict[str, str], retries: Retry) -> Iterator[tuple[requests.Response, Patience]]:
    """Send a GET request and give its answer, the body unread, and the limit of the wait for that.

    Raises PlaceFailedError where no answer comes.
    """
    import requests

    from patchkit.source.fetch.patience import Patience, PatienceError, WatchedAdapter

    connect, patience = limits.silence(CONNECT_TIMEOUT), Patience(limits.silence(PATIENCE))
    with patience, requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, WatchedAdapter(patience, max_retries=retries))
        try:
            answer = session.get(
                url,
                headers={"Accept-Encoding": "identity", **headers},
                stream=True,
                timeout=(connect, limits.silence(READ_TIMEOUT)),
            )
        except requests.ConnectTimeout as error:
            raise PlaceFailedError(f"no answer within {connect:g} s", unreachable=True) from error
        except requests.exceptions.SSLError as error:
            raise PlaceFailedError(f"TLS: {_root(error)}", insecure=True) from error
        except PatienceError as error:
            raise PlaceFailedError(f"no whole answer within {patience.limit:g} s") from error
        except requests.ConnectionError as error:
            if _never_connected(error):
                raise PlaceFailedError(_root(error), unreachable=True) from error
            raise PlaceFailedError(f"the connection broke: {_root(error)}") from error
        except requests.RequestException as error:
            raise PlaceFailedError(_root(error)) from error
        with answer:
            yield answer, patience


def _check_answer(answer: requests.Response, file: ExpectedFile, have: int) -> None:
    if answer.status_code not in (200, 206):
        retried = f" ({_requests(answer.raw.retries)})" if answer.raw.retries and answer.raw.retries.history else ""
        raise PlaceFailedError(f"HTTP {answer.status_code}{retried}")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise PlaceFailedError("a web page instead of the file")
    length = answer.headers.get("Content-Length", "")
    expected = None if file.size is None else file.size - (have if answer.status_code == 206 else 0)
    if length.isdecimal() and expected is not None and int(length) != expected:
        raise PlaceFailedError(f"{length} bytes offered, {expected} wanted")


class _TruncatedError(Exception):
    """The body ended, or its connection broke, before the end of the file."""


def _save(body: Iterator[bytes], file: ExpectedFile, part: Path, have: int, ui: Ui) -> None:
    with writing(part), part.open("ab" if have else "wb") as out, ui.bar(file.name, file.size) as advance:
        advance(have)
        for chunk in body:
            out.write(chunk)
            advance(len(chunk))
            if file.size is not None and out.tell() > file.size:
                raise PlaceFailedError(f"more than the {file.size} bytes wanted")
            if out.tell() > _MOST:
                raise PlaceFailedError(f"more than {_MOST >> 20} MiB")
        if file.size is not None and out.tell() < file.size:
            raise _TruncatedError(f"it ended after {out.tell()} of {file.size} bytes")


def _chunks(answer: requests.Response, patience: Patience) -> Iterator[bytes]:
    """Give the body as it is on the wire: a .gz that a server calls "gzip-encoded" is not unpacked.

    urllib3's errors are caught here, since requests' ones are OSErrors as the disk's are.
    """
    from urllib3.exceptions import HTTPError

    broken: HTTPError | None = None
    try:
        patience.renew()
        for chunk in answer.raw.stream(_CHUNK, decode_content=False):
            yield chunk
            patience.renew()
    except HTTPError as error:
        broken = error
    if patience.exhausted:  # without a stated length, a connection that is shut down looks like the end
        raise PlaceFailedError(f"less than {_CHUNK >> 10} KiB within {patience.limit:g} s") from broken
    if broken is not None:
        raise _TruncatedError(f"the connection broke: {_root(broken)}") from broken


def _requests(retries: Retry) -> str:
    return f"tried {len(retries.history) + 1} times"


def _never_connected(error: BaseException) -> bool:
    """Whether no connection came about: no such name, refused, no route."""
    from urllib3.exceptions import NewConnectionError, ProxyError

    reason: object = error.args[0] if error.args else None
    return isinstance(getattr(reason, "reason", reason), (NewConnectionError, ProxyError))


def _root(error: BaseException) -> str:
    """Return the innermost reason of a network error, in one line."""
    reason: object = error
    while isinstance(reason, BaseException):
        told = getattr(reason, "reason", None) or getattr(reason, "original_error", None)
        inner = told or (reason.args[0] if reason.args else None)
        if not isinstance(inner, BaseException):
            break
        reason = inner
    text = str(reason).splitlines()[0] if str(reason) else type(error).__name__
    # urllib3 puts the connection's repr in front: the URL beside this reason says the same.
    return re.sub(r"^\w+\(host=[^)]*\): ", "", text)

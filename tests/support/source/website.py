"""A web server on loopback that does what it is told, misbehaviour included, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

Answer = Callable[["Handler"], None]


@dataclass
class Site:
    """Answers by path: each is given once, the last one for ever. A path without answers is a 404."""

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    ranges: dict[str, list[str | None]] = field(default_factory=dict)
    """The Range header of every request so far, by path."""
    closing: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, path: str, *answers: Answer) -> str:
        """Say how requests for ``path`` are answered; gives its URL."""
        self.answers[path] = list(answers)
        return self.url + path

    def asked(self, path: str) -> int:
        return len(self.ranges.get(path, []))

    def take(self, path: str, wanted: str | None) -> Answer:
        with self._lock:
            self.ranges.setdefault(path, []).append(wanted)
            answers = self.answers.get(path) or [status(404)]
            return answers.pop(0) if len(answers) > 1 else answers[0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: ClassVar[Site]

    def do_GET(self) -> None:
        self.site.take(self.path, self.headers["Range"])(self)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: pytest's output is no access log."""

    def head(self, code: int, **headers: str | int) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def start(self) -> int:
        """Where the client wants the body to begin."""
        requested_range = self.headers["Range"]
        return int(requested_range.removeprefix("bytes=").removesuffix("-")) if requested_range else 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what many tests are about; anything else is a bug in this file."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(wrap: Callable[[socket.socket], socket.socket] | None = None) -> Iterator[Site]:
    """A running site. ``wrap`` may put TLS around its socket."""
    site = Site()
    handler = type("SiteHandler", (Handler,), {"site": site})
    with _Server(("127.0.0.1", 0), handler) as server:
        if wrap is not None:
            server.socket = wrap(server.socket)
        site.url = f"{'http' if wrap is None else 'https'}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            site.closing.set()
            server.shutdown()
            thread.join()


def whole(data: bytes, *, ranges: bool = True, **headers: str) -> Answer:
    """A well-behaved file server; without ``ranges`` it always begins at the beginning."""

    def answer(handler: Handler) -> None:
        start = handler.start() if ranges else 0
        if start >= len(data):
            handler.head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, Content_Length=0)
        elif start:
            span = f"bytes {start}-{len(data) - 1}/{len(data)}"
            handler.head(206, Content_Length=len(data) - start, Content_Range=span, **headers)
            handler.wfile.write(data[start:])
        else:
            handler.head(200, Content_Length=len(data), **headers)
            handler.wfile.write(data)

    return answer


def status(code: int) -> Answer:
    return lambda handler: handler.head(code, Content_Length=0)


def web_page() -> Answer:
    """A captive portal: 200, and a page to click on."""
    return whole(b"<html>please log in</html>", ranges=False, Content_Type="text/html; charset=utf-8")


def redirect(target: str) -> Answer:
    return lambda handler: handler.head(302, Content_Length=0, Location=target)


def chunked(data: bytes) -> Answer:
    """The file without its length."""

    def answer(handler: Handler) -> None:
        handler.head(200, Transfer_Encoding="chunked")
        handler.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))

    return answer


def cut(data: bytes, after: int, *, length: bool = True) -> Answer:
    """Promise the rest of the file, send ``after`` bytes of it and hang up; or promise nothing."""

    def answer(handler: Handler) -> None:
        start = handler.start()
        promised = {"Content_Length": len(data) - start} if length else {}
        handler.head(206 if start else 200, Connection="close", **promised)
        handler.wfile.write(data[start : start + after])
        handler.close_connection = True

    return answer


def stalled(data: bytes, after: int) -> Answer:
    """Send ``after`` bytes and then nothing, with the connection open."""

    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=len(data))
        handler.wfile.write(data[:after])
        handler.wfile.flush()
        handler.site.closing.wait(10)
        handler.close_connection = True

    return answer


def hung_up() -> Answer:
    """Read the request and close the connection without a word."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.connection.shutdown(socket.SHUT_RDWR)

    return answer


def after(gate: threading.Event, answer: Answer) -> Answer:
    """``answer``, but only once ``gate`` is open."""

    def wait(handler: Handler) -> None:
        gate.wait(10)
        answer(handler)

    return wait


def for_ever(text: str, before: str = "") -> Answer:
    """Send ``before``, then ``text`` again and again, slowly."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.wfile.write(before.encode())
            while not handler.site.closing.wait(0.05):
                handler.wfile.write(text.encode())

    return answer

"""A stand-in for a platform's API, which is not available here: it keeps requests, and has one list of issues."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Sent:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Tracker:
    """What was sent, and the titles that a search finds."""

    url: str
    titles: list[str] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def answer(self, path: str) -> object:
        issues = [{"title": title} for title in self.titles]
        return {"total_count": len(issues), "items": issues} if path.startswith("/search/") else issues


@contextmanager
def tracker() -> Iterator[Tracker]:
    """Listens on the loopback for as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            kept.sent.append(Sent(self.command, self.path, dict(self.headers), body))
            data = json.dumps(kept.answer(self.path) if self.command == "GET" else {"iid": 1}).encode()
            self.send_response(200 if self.command == "GET" else 201)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _take  # noqa: N815 -- the names are http.server's

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept = Tracker(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()

"""git that connects: no password on its command line, no question, no endless wait."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import GitError, NetworkUnavailableError
from patchkit.source.git import repository, transport
from patchkit.source.git.remote_tags import remote_tags
from patchkit.ui import Ui
from tests.support.source.samples import Repository

SECRET = "s3cret%40x"  # noqa: S105 - of the server below


class Guarded(SimpleHTTPRequestHandler):
    """Asks for a password, and remembers the command lines of git at each request."""

    lines: list[str] = []  # noqa: RUF012 - one server a test

    def do_GET(self) -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if "git" in line and "127.0.0.1" in line:
                self.lines.append(line)
        expected = "Basic " + base64.b64encode(b"me:s3cret@x").decode()
        if self.headers["Authorization"] == expected:
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    made = Repository(tmp_path / "made")
    made.commit()
    made.tag("v2.9.1")
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", made.path, bare], check=True)
    subprocess.run(["git", "update-server-info"], cwd=bare, check=True)
    Guarded.lines = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Guarded, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}/bare.git"
        server.shutdown()


def test_a_password_is_used_and_nowhere_to_be_read(guarded: str, cache: Cache) -> None:
    assert list(remote_tags(f"http://me:{SECRET}@{guarded}", cache)) == ["v2.9.1"]
    assert any("ls-remote" in line for line in Guarded.lines)
    assert not any("s3cret" in line for line in Guarded.lines)
    for path in cache.root.rglob("*"):
        assert "s3cret" not in path.name
        assert not path.is_file() or b"s3cret" not in path.read_bytes()


def test_a_wrong_password_is_an_error_without_a_question(guarded: str, cache: Cache) -> None:
    with pytest.raises(GitError) as caught:
        remote_tags(f"http://me:wrong@{guarded}", cache)
    assert "wrong" not in caught.value.why


@contextmanager
def silent() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["git", "http", "ssh"])
def test_a_host_that_does_not_answer(scheme: str, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHKIT_NETWORK_TIMEOUT", "1")
    with silent() as host, pytest.raises((NetworkUnavailableError, GitError)):
        repository.tree_at(f"{scheme}://{host}/x.git", "v1", Context(cache, Ui(quiet=True)))


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -i mine")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    assert "GIT_SSH_COMMAND" not in transport.environment()
    plain, variables = transport.without_secret("https://token@host:8443/x?y#z")
    assert plain == "https://host:8443/x?y#z"
    assert (variables["GIT_CONFIG_COUNT"], "GIT_CONFIG_KEY_0" in variables) == ("3", False)
    assert variables["PATCHKIT_GIT_USER"] == "token"
    assert os.environ["GIT_CONFIG_COUNT"] == "1"


@pytest.mark.parametrize("where", ["ssh://git@host/x", "git@host:x", "https://host/x", "http://[/x", "/a/b@c"])
def test_nothing_to_hide(where: str) -> None:
    assert transport.without_secret(where) == (where, {})

"""Limits of waits that a user sets: the variable and the option reach git, downloads and Docker's daemon."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

import docker
from patchkit import limits
from patchkit.building.engine.docker import DockerEngine, connect
from patchkit.building.engine.image import PROCESS
from patchkit.building.engine.protocol import longest_command
from patchkit.building.toolchain import toolchain
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import BadUsageError, DockerSilentError, PatchkitError
from patchkit.releases.version import Version
from patchkit.source.git import transport
from patchkit.ui import Ui
from tests.conftest import Run

SECOND = ["--network-timeout", "1"]
ENOUGH = 15.0  # seconds: far below each limit that is the default


@contextmanager
def listening(*, drips: bytes = b"") -> Iterator[str]:
    """A server that takes connections and then sends ``drips``, ten pieces a second for ever; or nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def talk(connection: socket.socket) -> None:
            try:
                while drips:
                    connection.sendall(drips)
                    time.sleep(0.1)
            except OSError:
                return

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                taken.append(connection)
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)  # accept() ends; what came last is taken too
        serving.join()
        for connection in taken:
            connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["git", "http", "ssh"])
def test_git_over_any_transport_that_hangs(scheme: str, patchkit: Run, tmp_path: Path) -> None:
    began = time.monotonic()
    with listening() as host:
        done = patchkit(
            "fetch", "--version", "v1", "--git", f"{scheme}://{host}/x.git", *SECOND,
            env={"PATCHKIT_CACHE": str(tmp_path)},
        )  # fmt: skip
    assert done.returncode in (20, 27), done.stderr
    assert time.monotonic() - began < ENOUGH


def test_git_says_which_option_waits_longer(patchkit: Run, tmp_path: Path) -> None:
    with listening() as host:
        done = patchkit(
            "fetch",
            "--version",
            "v1",
            "--git",
            f"git://{host}/x.git",
            env={"PATCHKIT_CACHE": str(tmp_path), limits.NETWORK: "1"},
        )
    assert done.returncode == 20
    assert "printed nothing for 1 s" in done.stderr
    assert "--network-timeout SECONDS waits longer" in done.stderr


@pytest.mark.parametrize(
    ("scheme", "drips"),
    [
        ("http", b"HTTP/1.1 100 Continue\r\n\r\n"),
        pytest.param("http", b"H", marks=pytest.mark.slow),
        pytest.param("http", b"", marks=pytest.mark.slow),
        # A record of TLS, which says that it is long.
        pytest.param("https", b"\x16\x03\x03\x3f", marks=pytest.mark.slow),
        pytest.param("https", b"", marks=pytest.mark.slow),
    ],
)
def test_a_mirror_that_drips_or_hangs(scheme: str, drips: bytes, patchkit: Run, tmp_path: Path) -> None:
    """Also with the second try, which a connection that breaks is worth."""
    began = time.monotonic()
    with listening(drips=drips) as host:
        env = {"PATCHKIT_CACHE": str(tmp_path), "PATCHKIT_MIRROR": f"{scheme}://{host}"}
        done = patchkit("fetch", "--version", "2.6.14", "--offline", *SECOND, env=env)
    assert done.returncode == 26, done.stderr
    assert f"{scheme}://{host}" in done.stderr
    assert time.monotonic() - began < ENOUGH


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "soon", "12345678", "\u0661"])
@pytest.mark.parametrize("variable", [limits.NETWORK, limits.BUILD])
def test_what_is_no_number_of_seconds(variable: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(BadUsageError, match=variable):
        limits.seconds(variable)


def test_a_limit_that_the_user_sets_is_that_of_all_that_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (limits.NETWORK, limits.BUILD):  # which other tests may have left set
        monkeypatch.delenv(variable, raising=False)
    assert (limits.silence(60), transport.limits_of_git().silence, longest_command()) == (60, 120, 14400)
    monkeypatch.setenv(limits.NETWORK, "900")
    monkeypatch.delenv("GIT_SSH_COMMAND", raising=False)
    assert (limits.silence(60), transport.limits_of_git().total, longest_command()) == (900, 27_000, 14400)
    variables = transport.environment()
    assert variables["GIT_HTTP_LOW_SPEED_TIME"] == "900"
    assert "ConnectTimeout=900 -o ServerAliveInterval=225" in variables["GIT_SSH_COMMAND"]


class Relay:
    """Between the client and Docker's real daemon, until it is frozen: then nothing more passes."""

    def __init__(self, path: str, daemon: str) -> None:
        self.frozen, self._ended = threading.Event(), threading.Event()
        self._daemon = daemon
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(16)
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._serve)

    def _start(self, target: Callable[..., None], *given: socket.socket) -> None:
        self._threads.append(threading.Thread(target=target, args=given, daemon=True))
        self._threads[-1].start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            daemon = socket.socket(socket.AF_UNIX)
            daemon.connect(self._daemon)
            self._sockets += [client, daemon]
            self._start(self._pass, client, daemon)
            self._start(self._pass, daemon, client)

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                if self.frozen.is_set():
                    self._ended.wait()
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._ended.set()
        for each in list(self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)
        for each in self._sockets:
            each.close()


@pytest.mark.slow
def test_a_daemon_that_falls_silent_while_a_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command prints nothing, as a long link may: that alone ends nothing."""
    try:
        connect().close()
    except PatchkitError as error:
        pytest.skip(f"{error.what}: {error.why}")
    with closing(Relay(str(tmp_path / "d.sock"), "/var/run/docker.sock")) as relay:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/d.sock")
        monkeypatch.setenv(limits.NETWORK, "2")
        with closing(connect()) as client:
            engine = DockerEngine(client, Context(Cache.default(), Ui(quiet=True)))
            client.api.timeout = 600
            identity = engine.prepare(toolchain(Version("2.6.14"), "linux-amd64"))
            client.api.timeout = 2
            with engine.workspace(identity, keep=False) as workspace:
                assert workspace.run(["sleep", "5"], cwd=".", env={}, line=print) == 0
                threading.Timer(1, relay.frozen.set).start()
                began = time.monotonic()
                with pytest.raises(DockerSilentError, match="no longer answers"):
                    workspace.run(["sleep", "50"], cwd=".", env={}, line=print)
                assert time.monotonic() - began < ENOUGH
    monkeypatch.delenv("DOCKER_HOST")
    # What ran in it could not be told to end: the daemon was not to be reached.
    with closing(connect()) as client:
        for container in client.containers.list(filters={"label": f"{PROCESS}={os.getpid()}"}):
            with suppress(docker.errors.APIError):  # it is being removed: that request had come through
                container.remove(force=True)

"""Start ``patchkit`` as a user would, in a process of its own, without importing it anew each time.

Importing is three quarters of what most commands cost. What a new process decides while it starts and imports has to
be decided anew where it may come out otherwise: then a new Python is started.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

_LATER = (
    "CFLAGS", "CI", "COLUMNS", "CPPFLAGS", "DOCKER_HOST", "GIT_CONFIG_GLOBAL", "HOME", "LDFLAGS", "LINES", "NO_COLOR",
    "PATH", "PYTEST_CURRENT_TEST", "SOURCE_DATE_EPOCH", "TERM", "TMPDIR", "XDG_CACHE_HOME",
)  # fmt: skip
"""Variables that are read when a command runs. Any other one may count when modules are imported, or for Python."""

used = 0.0
"""Seconds of processor time of all starts: they are no children of this process."""


class _Server:
    """The process that is forked, for as long as this one runs."""

    def __init__(self) -> None:
        self.environment = dict(os.environ)
        self._folder = tempfile.TemporaryDirectory(prefix="patchkit-starts-")
        self._address = f"{self._folder.name}/socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self._address)
            listener.listen()
            self._process = subprocess.Popen(
                [sys.executable, "-P", Path(__file__).with_name("server.py"), str(listener.fileno())],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[listener.fileno()],
            )  # fmt: skip
        atexit.register(self._end)

    def connect(self) -> socket.socket:
        with ExitStack() as stack:
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(self._address)
            stack.pop_all()
        return connection

    def _end(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()


_server = cache(_Server)


class Started:
    """A fork of the server that runs the command; with what Popen has of it."""

    def __init__(self, connection: socket.socket, arguments: Sequence[str]) -> None:
        self.args = arguments
        self._connection = connection
        self._answer = connection.makefile("r")
        self.pid = int(self._answer.readline())

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code, or the negative number of the signal. Raises TimeoutExpired."""
        global used  # noqa: PLW0603 - a sum for the whole process, as the operating system keeps for children
        if not select.select([self._connection], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        code, seconds = self._answer.readline().split()
        self._answer.close()
        self._connection.close()
        used += float(seconds)
        return int(code)


def start(
    arguments: Sequence[str], folder: Path | None, environment: Mapping[str, str], streams: tuple[int, int, int]
) -> Started | subprocess.Popen[bytes]:
    """Start ``patchkit`` with ``arguments`` in ``folder``, or in this one; ``streams`` are its standard streams."""
    server = _server()
    differ = {name for name, _ in server.environment.items() ^ environment.items()}
    if any(name not in _LATER and not name.startswith("PATCHKIT_") for name in differ):
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "patchkit", *arguments],
            cwd=folder, env=environment, stdin=streams[0], stdout=streams[1], stderr=streams[2],
        )  # fmt: skip
    umask = os.umask(0)
    os.umask(umask)
    request = {
        "arguments": list(arguments),
        "folder": str(folder or Path.cwd()),
        "environment": dict(environment),
        "umask": umask,
    }
    connection = server.connect()
    socket.send_fds(connection, [json.dumps(request).encode()], streams)
    return Started(connection, arguments)


def run(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float, stdin: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run ``patchkit`` with ``arguments`` in ``folder``. Raises TimeoutExpired, and then the process is killed."""
    until = time.monotonic() + timeout
    pipes = os.pipe(), os.pipe()
    read: dict[int, str] = {}

    def reader(number: int) -> None:
        with os.fdopen(pipes[number][0], encoding="utf-8") as stream:
            read[number] = stream.read()

    process = start(arguments, folder, environment, (stdin, pipes[0][1], pipes[1][1]))
    for _, write in pipes:
        os.close(write)
    readers = [threading.Thread(target=reader, args=(number,), daemon=True) for number in range(2)]
    for thread in readers:
        thread.start()
    for thread in readers:
        thread.join(max(0, until - time.monotonic()))
    try:
        code = process.wait(max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    if len(read) < len(readers):
        raise subprocess.TimeoutExpired(arguments, timeout)  # what it has started holds a stream
    return subprocess.CompletedProcess(list(arguments), code, read[0], read[1])

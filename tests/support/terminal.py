"""The command with a terminal at the other end: of any width, in any locale."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.starts.client import start

# An old locale: Python's own way out, UTF-8 all the same (PEP 538, PEP 540), is closed.
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
_NOT_HANDED_ON = ("CI", "NO_COLOR", "COLUMNS", "LINES", "PYTHONIOENCODING", "PYTHONUTF8", "FORCE_COLOR")


@dataclass(frozen=True)
class Shown:
    """What came to the terminal, both streams as they came, and how it ended."""

    text: str
    code: int

    @property
    def lines(self) -> list[str]:
        return self.text.replace("\r", "").splitlines()


def on_terminal(
    arguments: Sequence[str],
    env: Mapping[str, str] | None = None,
    *,
    columns: int = 80,
    lines: int = 24,
    cwd: Path | None = None,
) -> Shown:
    """Run ``patchkit`` on a terminal of that width; one that states no height has 0 ``lines``."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_HANDED_ON}
    process = start(arguments, cwd, {**environment, "TERM": "xterm", **(env or {})}, (theirs, theirs, theirs))
    os.close(theirs)
    output = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # EIO: the other side has closed
            break
        if not chunk:
            break
        output += chunk
    os.close(ours)
    code = process.wait()
    return Shown(output.decode("utf-8", "replace"), code)


class Keyboard:
    """What is typed at a program on a terminal, and what it shows."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._shown = ""

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Until the program shows it; raises AssertionError where it does not."""
        until = time.monotonic() + seconds
        while text not in self._shown:
            assert select.select([self._terminal], [], [], max(0, until - time.monotonic()))[0], self._shown
            self._shown += os.read(self._terminal, 4096).decode("utf-8", "replace").replace("\r", "")
        self._shown = self._shown.partition(text)[2]


@contextmanager
def typing(command: Sequence[str], env: Mapping[str, str]) -> Iterator[Keyboard]:
    """An interactive program on a terminal of its own; it is killed at the end."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "dumb", **env},
        start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            yield Keyboard(ours)
        finally:
            process.kill()
            os.close(ours)

"""Programs run as children: each wait has a limit, and what ends patchkit ends a child with its own children."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from patchkit import signals
from patchkit.errors import ToolError

_GRACE = 2.0  # seconds for a child to tidy up
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Finished:
    """How a program ended, and what it printed."""

    code: int
    """The exit code; a negative signal number where a signal ended it."""
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.stdout.decode("utf-8", "surrogateescape")

    @property
    def err(self) -> str:
        """Standard error as text, without blanks around it."""
        return self.stderr.decode("utf-8", "replace").strip()


@dataclass(frozen=True)
class Limits:
    """How long a program may run, in seconds."""

    total: float
    silence: float | None = None
    """How long it may print nothing; None where it may be silent as long as it runs."""


@dataclass
class _Output:
    parts: list[bytes] = field(default_factory=list)
    heard: float = field(default_factory=time.monotonic)


def run(
    command: Sequence[str],
    limits: Limits,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    heard: Callable[[str], None] | None = None,
) -> Finished:
    """Run ``command`` with an empty stdin, in a session of its own, and wait until it has ended.

    ``env`` are variables besides those of this process; ``heard`` gets each line of standard error as it comes, where a
    carriage return ends a line too. Raises ToolError where a limit is reached, and FileNotFoundError or another OSError
    where the program can't be started. However the wait ends, no child of the program is left in its session.
    """
    with signals.held_off():
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
            env={**os.environ, **(env or {})}, start_new_session=True, preexec_fn=signals.let_in,  # noqa: PLW1509
        )  # fmt: skip
        signals.GROUPS.add(process.pid)
    try:
        with process:
            outputs = _collect(process, limits, heard or (lambda _: None))
            if outputs is None:
                raise _over(command, limits)
            return Finished(process.returncode, *outputs)
    finally:
        with signals.held_off():
            end_group(process)
            signals.GROUPS.discard(process.pid)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End ``process`` and all of its session: first politely, where it still runs."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_GRACE)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _collect(
    process: subprocess.Popen[bytes], limits: Limits, heard: Callable[[str], None]
) -> tuple[bytes, bytes] | None:
    """Read both streams until the program has ended; None where a limit is reached before."""
    began = time.monotonic()
    out, err = _Output(), _Output()
    with selectors.DefaultSelector() as ready:
        for stream, kept in ((process.stdout, out), (process.stderr, err)):
            if stream is not None:
                ready.register(stream, selectors.EVENT_READ, kept)
        while ready.get_map():
            left = _left(began, max(out.heard, err.heard), limits)
            if left <= 0:
                end_group(process)
                return None
            for key, _ in ready.select(min(left, 1.0)):
                data = os.read(key.fd, _CHUNK)
                if not data:
                    ready.unregister(key.fileobj)
                    continue
                key.data.parts.append(data)
                key.data.heard = time.monotonic()
                if key.data is err:
                    for line in data.decode("utf-8", "replace").replace("\r", "\n").splitlines():
                        heard(line)
            if process.poll() is not None and not ready.select(0):
                break  # a grandchild that still holds the streams is ended with the session
    try:
        process.wait(timeout=max(0.1, _left(began, time.monotonic(), limits)))
    except subprocess.TimeoutExpired:
        end_group(process)
        return None
    return b"".join(out.parts), b"".join(err.parts)


def _left(began: float, heard: float, limits: Limits) -> float:
    now = time.monotonic()
    total = began + limits.total - now
    return total if limits.silence is None else min(total, heard + limits.silence - now)


def _over(command: Sequence[str], limits: Limits) -> ToolError:
    name = Path(command[0]).name
    quiet = "" if limits.silence is None else f", or printed nothing for {limits.silence:g} s"
    return ToolError(
        f"{name} did not end",
        why=f"it ran for {limits.total:g} s{quiet}; it was ended, with its children",
        advice=f"run {name} by hand, to see what it waits for",
    )

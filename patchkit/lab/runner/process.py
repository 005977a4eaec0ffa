"""Processes: started without a copy of the runner, read, told to end, and asked how they ended.

With ``subprocess`` the guest would compile a large module at every boot; and where it forks, User-Mode Linux has to
copy every page that the runner has.
"""

from __future__ import annotations

import os
import resource
import time

TYPE_CHECKING = False  # typing would be compiled at every boot
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# signal(7); the module signal brings enumerations along.
SIGINT, SIGKILL, SIGPIPE, SIGTERM, SIGXCPU, SIGXFSZ = 2, 9, 13, 15, 24, 25
_GRACE = 5.0  # seconds to end in after SIGTERM
_CHUNK = 1 << 16
# Without rdtsc, rdrand and rdseed, which would bring in the host's time and random numbers; and without the SHA
# extensions, with which OpenSSL 1.0.2 before 1.0.2u computes wrong MACs. See OPENSSL_ia32cap(3): bits 4 and 62 of
# the first word, 18 and 29 of the second.
OPENSSL_IA32CAP = "~0x4000000000000010:~0x20040000"


def now() -> int:
    """ns since 1970, the clock that packets are stamped with."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def spawn(command: Sequence[str], output: int, source: int | None = None) -> int:
    """Start a program, with stdout and stderr to ``output`` and stdin from ``source`` or /dev/null; return its ID.

    It belongs to the namespaces that the runner is in now. Raises OSError.
    """
    stdin = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0) if source is None else (os.POSIX_SPAWN_DUP2, source, 0)
    actions = [stdin, (os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    # Python ignores these two; a program would inherit that.
    return os.posix_spawnp(command[0], list(command), os.environ, file_actions=actions, setsigdef=[SIGPIPE, SIGXFSZ])


def run(command: Sequence[str], stdin: str = "") -> tuple[int, str]:
    """A program's exit code, and what it printed. Raises OSError where it can't be started."""
    source = os.memfd_create("stdin")
    reading, writing = os.pipe()
    try:
        os.write(source, stdin.encode())
        os.lseek(source, 0, os.SEEK_SET)
        try:
            pid = spawn(command, writing, source)
        finally:
            os.close(writing)
        printed = b""
        while data := os.read(reading, _CHUNK):
            printed += data
    finally:
        os.close(source)
        os.close(reading)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), printed.decode(errors="replace")


def call(command: Sequence[str], stdin: str = "") -> str:
    """What a command printed. Raises RuntimeError with the first line of its complaint."""
    code, printed = run(command, stdin)
    if code:
        # What follows the first line is tc's whole manual.
        said = (printed.strip() or f"exit code {code}").splitlines()[0]
        raise RuntimeError(f"{' '.join(command)}: {said}")
    return printed


class Peer:
    """A process whose lines are time-stamped and searched as they come."""

    def __init__(self, name: str, command: Sequence[str], *, cpu_limit: float, counted: Mapping[str, str]) -> None:
        self.name = name
        self.lines: list[tuple[int, bytes]] = []
        self.counts = dict.fromkeys(counted, 0)
        self.status: int | None = None
        self.cpu = 0.0
        self._counted = {what: text.encode() for what, text in counted.items()}
        self._rest = b""
        self.fd, output = os.pipe()
        os.set_blocking(self.fd, False)
        try:
            self.pid = spawn(command, output)
        except OSError:
            os.close(self.fd)
            raise
        finally:
            os.close(output)
        # SIGXCPU, then SIGKILL: a peer that runs in circles must not take the machine with it.
        resource.prlimit(self.pid, resource.RLIMIT_CPU, (int(cpu_limit), int(cpu_limit) + 1))

    def read(self) -> bool:
        """Take the lines that have come. False when there will be no more."""
        while True:
            try:
                data = os.read(self.fd, _CHUNK)
            except BlockingIOError:
                return True
            if not data:
                if self._rest:  # last words, and no end to the line
                    self._line(now(), self._rest)
                    self._rest = b""
                return False
            when = now()
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._line(when, line)
            if len(data) < _CHUNK:
                return True  # it was all; another look would cost a system call

    def _line(self, when: int, line: bytes) -> None:
        self.lines.append((when, line))
        for what, text in self._counted.items():
            if text in line:
                self.counts[what] += 1

    def said(self, text: str) -> int | None:
        """When it first said that, or None."""
        wanted = text.encode()
        return next((when for when, line in self.lines if wanted in line), None)

    def reap(self, *, block: bool = False) -> bool:
        """Whether it has ended; then its status and CPU seconds are known."""
        if self.status is None:
            pid, status, usage = os.wait4(self.pid, 0 if block else os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                self.cpu = usage.ru_utime + usage.ru_stime
        return self.status is not None

    def stop(self, *, kill: bool = False) -> bool:
        """End it; False when it did not end by itself."""
        if self.reap():
            return True
        self._signal(SIGKILL if kill else SIGTERM)
        deadline = time.monotonic() + _GRACE
        while time.monotonic() < deadline:
            self.read()  # it may be waiting for a reader
            if self.reap():
                self.read()
                self.read()  # the end, and last words without an end to the line
                return True
            time.sleep(0.01)
        self._signal(SIGKILL)
        self.reap(block=True)
        return False

    def _signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def close(self) -> None:
        """Close the pipe. Nothing is read from it afterwards."""
        os.close(self.fd)

    def log(self) -> bytes:
        """All that it said, each line behind its time in seconds since the first one."""
        began = self.lines[0][0] if self.lines else 0
        return b"".join(b"%11.6f %b\n" % ((when - began) / 1e9, line) for when, line in self.lines)

    def tail(self, count: int = 12) -> str:
        """Its last lines."""
        return "\n".join(line.decode(errors="replace") for _, line in self.lines[-count:])

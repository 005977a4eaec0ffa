"""One openvpn process: started, read, told to end, and asked how it ended."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time

TYPE_CHECKING = False  # typing would be compiled at every boot
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_GRACE = 5.0  # seconds to end in after SIGTERM
_CHUNK = 1 << 16


def now() -> int:
    """ns since 1970, the clock that packets are stamped with."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


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

        def limits() -> None:
            # SIGXCPU, then SIGKILL: a peer that runs in circles must not take the machine with it.
            resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_limit), int(cpu_limit) + 1))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        self.process = subprocess.Popen(  # the runner has one thread: preexec_fn is safe
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=limits
        )
        assert self.process.stdout is not None
        self.fd = self.process.stdout.fileno()
        os.set_blocking(self.fd, False)

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
            pid, status, usage = os.wait4(self.process.pid, 0 if block else os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                self.process.returncode = self.status  # or Popen would wait for it once more
                self.cpu = usage.ru_utime + usage.ru_stime
        return self.status is not None

    def stop(self, *, kill: bool = False) -> bool:
        """End it; False when it did not end by itself."""
        if self.reap():
            return True
        self._signal(signal.SIGKILL if kill else signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        while time.monotonic() < deadline:
            self.read()  # it may be waiting for a reader
            if self.reap():
                self.read()
                return True
            time.sleep(0.01)
        self._signal(signal.SIGKILL)
        self.reap(block=True)
        return False

    def _signal(self, number: int) -> None:
        # Popen's own send_signal reaps a process that has just ended: its status and CPU time would be lost.
        os.kill(self.process.pid, number)

    def log(self) -> bytes:
        """All that it said, each line behind its time in seconds since the first one."""
        began = self.lines[0][0] if self.lines else 0
        return b"".join(b"%11.6f %b\n" % ((when - began) / 1e9, line) for when, line in self.lines)

    def tail(self, count: int = 12) -> str:
        """Its last lines."""
        return "\n".join(line.decode(errors="replace") for _, line in self.lines[-count:])

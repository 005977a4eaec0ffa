"""A cluster on this machine: a scheduler of Dask, and workers with caches of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import marked

_LIMIT = 120.0  # seconds for something that takes a few on an idle machine
_COMPILERS = ("cc", "gcc", "x86_64-linux-gnu-gcc")
_HELD = """#!/bin/sh
if [ -e '{hold}' ]; then
    : >'{begun}'
    while [ -e '{hold}' ]; do sleep 0.1; done
fi
exec '{compiler}' "$@"
"""


@dataclass
class LocalCluster:
    """Its processes, all with a mark in their environment, and its folder."""

    folder: Path
    mark: str
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    tls: Mapping[str, str] = field(default_factory=dict)
    """Variables that name the certificates; none without TLS."""
    address: str = ""
    scheduler: subprocess.Popen[bytes] | None = None

    def start_scheduler(self) -> None:
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        words = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                 "--scheduler-file", str(file), "--protocol", "tls" if self.tls else "tcp"]  # fmt: skip
        self.scheduler = self._start("scheduler", words, {})
        eventually(lambda: file.exists() and file.read_text().endswith("}"), "the scheduler's address")
        self.address = str(json.loads(file.read_text())["address"])

    def start_worker(self, name: str, env: Mapping[str, str] | None = None, preload: bool = True) -> None:
        words = ["distributed.cli.dask_worker", self.address, "--nthreads", "1", "--name", name, "--no-dashboard",
                 "--no-nanny", "--death-timeout", "60", "--local-directory", str(self.folder / "scratch")]  # fmt: skip
        own = {"PATCHKIT_CACHE": str(self.cache(name)), "TMPDIR": str(self.temporary(name))}
        words += ["--preload", "patchkit.cluster.preload"] if preload else []
        self.workers[name] = self._start(name, words, {**own, **(env or {})})
        eventually(lambda: "Registered to" in self.log(name), f"the worker {name}")

    def held_compilers(self) -> dict[str, str]:
        """Return the environment of a worker whose compilers wait as long as :attr:`hold` is there."""
        folder = self.folder / "compilers"
        folder.mkdir(exist_ok=True)
        for name in _COMPILERS:
            if compiler := shutil.which(name):
                script = _HELD.format(hold=self.hold, begun=self.begun, compiler=compiler)
                (folder / name).write_text(script)
                (folder / name).chmod(0o755)
        return {"PATH": f"{folder}:{os.environ['PATH']}"}

    def waiting_compilers(self) -> list[int]:
        """The processes that wait in :meth:`holding`; builds give them an environment without the mark."""
        found = []
        for words in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if f"{self.folder}/compilers/".encode() in words.read_bytes():
                    found.append(int(words.parent.name))
        return found

    @property
    def hold(self) -> Path:
        return self.folder / "hold"

    @property
    def begun(self) -> Path:
        """Is there when a compiler has begun to wait."""
        return self.folder / "begun"

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Let compilers wait within the context: a build that began does not end before."""
        self.begun.unlink(missing_ok=True)
        self.hold.touch()
        try:
            yield
        finally:
            self.hold.unlink(missing_ok=True)

    @contextmanager
    def frozen(self, name: str, process: subprocess.Popen[str]) -> Iterator[None]:
        """Stop, within the context, a guest that the worker ``name`` runs for ``process``: it does not end before.

        Afterwards it ends by itself.
        """
        caught: list[int] = []

        def has_caught() -> bool:
            caught.extend(_stopped(self.children(name)))
            return bool(caught)

        while_running(process, has_caught, f"{name} has a guest")
        try:
            yield
        finally:
            for pid in caught:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        eventually(lambda: all(_state(pid) in "ZX" for pid in caught), "the guest to end")

    def cache(self, name: str) -> Path:
        return self.folder / f"cache-{name}"

    def temporary(self, name: str) -> Path:
        folder = self.folder / f"tmp-{name}"
        folder.mkdir(exist_ok=True)
        return folder

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def children(self, name: str) -> list[int]:
        """The processes that the worker ``name`` has started, and that run."""
        parent = self.workers[name].pid
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, its_parent = stat.read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(its_parent) == parent and state != "Z":
                found.append(int(stat.parent.name))
        return found

    def busy(self) -> list[str]:
        """The names of the workers that have children."""
        return [name for name, process in self.workers.items() if process.poll() is None and self.children(name)]

    def kill(self, name: str) -> None:
        self.workers[name].kill()
        self.workers.pop(name).wait()

    def kill_scheduler(self) -> None:
        assert self.scheduler is not None
        self.scheduler.kill()
        self.scheduler.wait()
        self.scheduler = None

    def close(self) -> None:
        self.hold.unlink(missing_ok=True)
        # The scheduler last: a worker of Dask that is ended while it leaves on its own account waits half a minute.
        for processes in (list(self.workers.values()), [self.scheduler] if self.scheduler else []):
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _start(self, name: str, words: list[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        variable, _, value = self.mark.partition("=")
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *words], env={**os.environ, variable: value, **self.tls, **env}, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip


@contextmanager
def local_cluster(
    folder: Path, workers: int, *, held_compilers: bool = False, tls: Mapping[str, str] | None = None
) -> Iterator[LocalCluster]:
    """Start a scheduler and ``workers`` workers, w1 and so on, and end them at the end of the context.

    With ``held_compilers``, they compile as :meth:`LocalCluster.holding` lets them. ``tls`` are the variables with
    which Dask finds its certificates.
    """
    cluster = LocalCluster(folder, f"PATCHKIT_TEST_CLUSTER={folder}", tls=tls or {})
    try:
        cluster.start_scheduler()
        for number in range(workers):
            cluster.start_worker(f"w{number + 1}", cluster.held_compilers() if held_compilers else {})
        yield cluster
    finally:
        cluster.close()
        assert marked(cluster.mark) == []


def _stopped(children: Sequence[int]) -> list[int]:
    """Stop ``children``, and list those of them that have not ended meanwhile."""
    stopped = []
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            eventually(lambda pid=pid: _state(pid) in "TZX", "a process to stop")  # type: ignore[misc]
            stopped += [pid] if _state(pid) == "T" else []
    return stopped


def _state(pid: int) -> str:
    """Return the letter that the system has for the state of the process ``pid``; X where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def while_running(process: subprocess.Popen[str], true: Callable[[], object], what: str, limit: float = _LIMIT) -> None:
    """Wait until ``true`` returns something true, and fail with what ``process`` complains of where it ends before."""
    eventually(lambda: process.poll() is not None or true(), what, limit)
    assert process.poll() is None, f"{process.returncode} before {what}: {process.communicate()}"


def eventually(true: Callable[[], object], what: str, limit: float = _LIMIT) -> None:
    """Wait until ``true`` returns something true."""
    until = time.monotonic() + limit
    while not true():
        assert time.monotonic() < until, f"still waiting for {what}"
        time.sleep(0.05)

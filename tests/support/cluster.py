"""A cluster on this machine: a scheduler of Dask, and workers with caches of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import marked

_LIMIT = 120.0  # seconds for something that takes a few on an idle machine


@dataclass
class LocalCluster:
    """Its processes, all with a mark in their environment, and its folder."""

    folder: Path
    mark: str
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    address: str = ""
    scheduler: subprocess.Popen[bytes] | None = None

    def start_scheduler(self) -> None:
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        words = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                 "--scheduler-file", str(file)]  # fmt: skip
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
                [sys.executable, "-m", *words], env={**os.environ, variable: value, **env}, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip


@contextmanager
def local_cluster(folder: Path, workers: int) -> Iterator[LocalCluster]:
    """Start a scheduler and ``workers`` workers, w1 and so on, and end them at the end of the context."""
    cluster = LocalCluster(folder, f"PATCHKIT_TEST_CLUSTER={folder}")
    try:
        cluster.start_scheduler()
        for number in range(workers):
            cluster.start_worker(f"w{number + 1}")
        yield cluster
    finally:
        cluster.close()
        assert marked(cluster.mark) == []


def eventually(true: Callable[[], object], what: str, limit: float = _LIMIT) -> None:
    """Wait until ``true`` returns something true."""
    until = time.monotonic() + limit
    while not true():
        assert time.monotonic() < until, f"still waiting for {what}"
        time.sleep(0.05)

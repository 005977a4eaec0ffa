"""Builds on a real scheduler and real workers: the files of one machine, whatever is killed meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.errors import ClusterError, NetworkUnavailableError, OfflineError, PlacesExhaustedError
from tests.conftest import PINNED, upstream
from tests.support.cluster import LocalCluster, eventually, local_cluster, while_running
from tests.support.processes import marked_by_id

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
NEWER = "2.7.7"
"""The other release that Debian's pool has today; newer ones fail here, and are listed."""
COMMON = ("--variant", "stock", "--crypto", "system", "--engine", "host", "--json")


def command(out: Path, *more: str) -> list[str]:
    return [sys.executable, "-P", "-m", "patchkit", "build", *COMMON, "--out", str(out), *more]


def build(out: Path, *more: str, code: int = 0) -> dict[str, list[dict[str, object]]]:
    done = subprocess.run(command(out, *more), capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == code, done.stderr
    return dict(json.loads(done.stdout))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Iterator[LocalCluster]:
    for version in (PINNED, NEWER):
        upstream(version, shared_cache)
    # The client alone decides where a source comes from: a tag in a repository is not the tarball to the byte.
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PATCHKIT_GIT", "/nowhere")
        with local_cluster(tmp_path_factory.mktemp("cluster"), 2, held_compilers=True) as running:
            environment.delenv("PATCHKIT_GIT")
            yield running


@contextmanager
def compiling(cluster: LocalCluster, out: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Start a build on ``cluster``, which stands in its first call of a compiler until the context ends."""
    words = command(out, *more, "--on", cluster.address)
    pipe = subprocess.PIPE
    with (
        cluster.holding(),
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as process,
    ):
        try:
            while_running(process, cluster.begun.exists, "a compiler begins", 300)
            yield process
        finally:
            process.kill()


def building(cluster: LocalCluster) -> list[int]:
    """The processes that build for the workers, and their compilers that wait."""
    builds = [pid for pid, words in marked_by_id(cluster.mark).items() if "dask_" not in words]
    return builds + cluster.waiting_compilers()


def test_the_files_of_one_machine_though_a_worker_is_killed(cluster: LocalCluster, tmp_path: Path) -> None:
    """Two releases; the worker that has begun the first is killed, and leaves nobody behind."""
    newer = ("--all-releases", "--since", NEWER, "--keep-going")
    failed = {NetworkUnavailableError.exit_code, PlacesExhaustedError.exit_code, OfflineError.exit_code}
    whole = tmp_path / "whole"
    done = subprocess.run(command(whole, *newer), capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode in {0, *failed}, done.stderr
    build(whole, "--version", PINNED)

    out = tmp_path / "out"
    with compiling(cluster, out, "--version", PINNED) as process:
        (name,) = cluster.busy()
        begun = building(cluster)
        assert begun
        cluster.kill(name)
        eventually(lambda: not set(begun) & set(building(cluster)), "what the killed worker has left to end")
        cluster.hold.unlink()
        text, complaint = process.communicate(timeout=1200)
    assert process.returncode == 0, complaint
    assert [outcome["fresh"] for outcome in json.loads(text)["outcomes"]] == [True]
    again = subprocess.run(
        command(out, *newer, "--on", cluster.address), capture_output=True, text=True, timeout=1200, check=False
    )
    assert again.returncode in {0, *failed}, again.stderr
    assert [(entry["version"], entry["exit_code"]) for entry in json.loads(again.stdout)["failed"]] == [
        (entry["version"], entry["exit_code"]) for entry in json.loads(done.stdout)["failed"]
    ]
    assert files(out) == files(whole)
    # What is there is found, and no worker builds it again.
    assert [outcome["fresh"] for outcome in build(out, "--version", PINNED, "--on", cluster.address)["outcomes"]] == [
        False
    ]
    assert files(out) == files(whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_client_that_ends_leaves_nobody_at_work(number: int, cluster: LocalCluster, tmp_path: Path) -> None:
    with compiling(cluster, tmp_path / "out", "--version", PINNED) as process:
        process.send_signal(number)
        process.communicate(timeout=120)
        # While the compilers still wait: they are ended, and do not come to their end.
        eventually(lambda: not building(cluster), "the build to end")
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert not (tmp_path / "out").exists()
    eventually(
        lambda: not any(list(cluster.temporary(name).glob("patchkit-*")) for name in cluster.workers), "tidying up"
    )


def test_the_scheduler_is_killed(cluster: LocalCluster, tmp_path: Path) -> None:
    """The last of this module: nothing of the cluster is left."""
    with compiling(cluster, tmp_path / "out", "--version", PINNED) as process:
        cluster.kill_scheduler()
        _, complaint = process.communicate(timeout=120)
        eventually(lambda: not building(cluster), "the build to end")
    assert process.returncode == ClusterError.exit_code, complaint
    assert "is gone" in complaint
    assert not (tmp_path / "out").exists()

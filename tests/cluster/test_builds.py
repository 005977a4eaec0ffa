"""Builds on a real scheduler and real workers: the files of one machine, whatever is killed meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.errors import ClusterError, NetworkUnavailableError, OfflineError, PlacesExhaustedError
from tests.conftest import PINNED, upstream
from tests.support.cluster import LocalCluster, eventually, local_cluster
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
    with local_cluster(tmp_path_factory.mktemp("cluster"), 2) as running:
        yield running


def building(cluster: LocalCluster) -> list[int]:
    """The processes that compile for the workers."""
    return [pid for pid, words in marked_by_id(cluster.mark).items() if "dask_" not in words]


def test_the_files_of_one_machine_though_a_worker_is_killed(cluster: LocalCluster, tmp_path: Path) -> None:
    """Two releases; the worker that has begun the first is killed, and leaves nobody behind."""
    newer = ("--all-releases", "--since", NEWER, "--keep-going")
    failed = {NetworkUnavailableError.exit_code, PlacesExhaustedError.exit_code, OfflineError.exit_code}
    whole = tmp_path / "whole"
    done = subprocess.run(command(whole, *newer), capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode in {0, *failed}, done.stderr
    build(whole, "--version", PINNED)

    out = tmp_path / "out"
    with subprocess.Popen(
        command(out, "--version", PINNED, "--on", cluster.address), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        eventually(cluster.busy, "a worker to begin", 300)
        (name,) = cluster.busy()
        begun = building(cluster)
        assert begun
        cluster.kill(name)
        eventually(lambda: not set(begun) & set(building(cluster)), "what the killed worker has left to end")
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
    changed = ("--version", PINNED, f"--cflag=-DCLIENT={number}", "--on", cluster.address)
    with subprocess.Popen(
        command(tmp_path / "out", *changed), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        eventually(lambda: building(cluster), "a worker to begin", 300)
        process.send_signal(number)
        process.communicate(timeout=120)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    eventually(lambda: not building(cluster), "the build to end")
    assert not (tmp_path / "out").exists()
    eventually(
        lambda: not any(list(cluster.temporary(name).glob("patchkit-*")) for name in cluster.workers), "tidying up"
    )


def test_the_scheduler_is_killed(cluster: LocalCluster, tmp_path: Path) -> None:
    """The last of this module: nothing of the cluster is left."""
    changed = ("--version", PINNED, "--cflag=-DSCHEDULER", "--on", cluster.address)
    with subprocess.Popen(
        command(tmp_path / "out", *changed), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        eventually(lambda: building(cluster), "a worker to begin", 300)
        cluster.kill_scheduler()
        _, complaint = process.communicate(timeout=120)
    assert process.returncode == ClusterError.exit_code, complaint
    assert "is gone" in complaint
    eventually(lambda: not building(cluster), "the build to end")
    assert not (tmp_path / "out").exists()

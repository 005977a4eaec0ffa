"""Campaigns on a real scheduler and real workers: the bytes of one machine, whatever is killed meanwhile."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from patchkit.errors import ClusterError, InterruptedByUserError, NotRepeatedError
from tests.conftest import PINNED, ROOT
from tests.support.cluster import LocalCluster, eventually, local_cluster, while_running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
SAME = ("campaign.json", "trials.jsonl", "results.json")
ARMS = ("--version", PINNED, "--variant", "stock", "--variant", "retransmit", "--engine", "host")
SMALL = ("--scenario", "loss-20", "--trials", "10")  # with three of the lossless cell, 23 in all


def command(out: Path, *more: str) -> list[str]:
    return [sys.executable, "-P", "-m", "patchkit", "lab", "run", *ARMS, *SMALL, "--out", str(out), *more]


def run(out: Path, *more: str, code: int = 0) -> str:
    done = subprocess.run(command(out, *more), capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr


@contextmanager
def begun(
    cluster: LocalCluster, out: Path, *more: str, trials: int = 4, frozen: str = "w1"
) -> Iterator[subprocess.Popen[str]]:
    """Start a campaign on ``cluster``, and wait until some trials are there and one on the worker ``frozen`` waits.

    So it is in the midst of its work, however fast this machine is.
    """
    words = command(out, *more, "--on", cluster.address)
    with (
        subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process,
        cluster.frozen(frozen, process),
    ):
        try:
            while_running(process, lambda: lines(out) >= trials, "the first trials", 600)
            yield process
        finally:
            process.kill()


def lines(out: Path) -> int:
    try:
        return len((out / "trials.jsonl").read_bytes().splitlines())
    except OSError:
        return 0


def same(one: Path, other: Path) -> None:
    for name in SAME:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one machine gives."""
    out = tmp_path_factory.mktemp("alone") / "report"
    run(out)
    return out


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with local_cluster(tmp_path_factory.mktemp("cluster"), 3) as running:
        yield running


def test_the_bytes_of_one_machine_though_a_worker_is_killed(alone: Path, cluster: LocalCluster, tmp_path: Path) -> None:
    with begun(cluster, tmp_path / "report", frozen="w3") as process:
        cluster.kill("w3")
        _, complaint = process.communicate(timeout=600)
    assert process.returncode == 0, complaint
    same(alone, tmp_path / "report")
    assert not list(cluster.temporary("w1").iterdir())


def test_a_kernel_in_a_workers_cache_that_was_altered_is_found(
    alone: Path, cluster: LocalCluster, tmp_path: Path
) -> None:
    """Once while the worker runs, and once before it begins; and PATCHKIT_UML of a worker is of no account."""
    run(tmp_path / "first", "--on", cluster.address)  # w1 has the kernel then, whichever tests ran before
    (kernel,) = cluster.cache("w1").glob("cluster/*")
    whole = kernel.read_bytes()
    kernel.write_bytes(whole[:1000] + b"!" + whole[1001:])
    copy = cluster.cache("w3")
    if "w3" in cluster.workers:
        cluster.kill("w3")
    shutil.rmtree(copy, ignore_errors=True)
    (copy / "cluster").mkdir(parents=True)
    (copy / "cluster" / kernel.name).write_bytes(b"#!/bin/true\n")
    cluster.start_worker("w3", {"PATCHKIT_UML": "/bin/true"})
    run(tmp_path / "report", "--on", cluster.address)
    same(alone, tmp_path / "report")
    assert kernel.read_bytes() == (copy / "cluster" / kernel.name).read_bytes() == whole


def test_an_interrupt_ends_all_of_it_and_resume_goes_on(alone: Path, cluster: LocalCluster, tmp_path: Path) -> None:
    out = tmp_path / "report"
    with begun(cluster, out) as process:
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=120)
    assert process.returncode == InterruptedByUserError.exit_code, complaint
    assert f"--on {cluster.address}" in complaint
    eventually(lambda: not cluster.busy(), "the workers to have nothing to do")
    # kill -9 of the client: nobody waits for its trials any more.
    with begun(cluster, out, "--resume", trials=lines(out) + 2) as process:
        process.kill()
        process.wait(60)
    eventually(lambda: not cluster.busy(), "the workers to have nothing to do")
    assert 0 < lines(out) < lines(alone)
    run(out, "--resume", "--on", cluster.address)
    same(alone, out)


def test_a_result_that_differs_is_an_error(cluster: LocalCluster, tmp_path: Path) -> None:
    """Another client says of a unit, by way of the scheduler, that it gave something else."""
    liar = """if True:
        import queue, sys
        from distributed import Client
        client = Client(sys.argv[1], set_as_default=False)
        heard = queue.Queue()
        client.subscribe_topic("patchkit", lambda event: heard.put(event[1]))
        print("ready", flush=True)
        while "unit" not in (message := heard.get(timeout=300)):
            pass
        client.log_event("patchkit", {**message, "sha256": "0", "worker": "liar"})
        heard.get(timeout=300)
    """
    with subprocess.Popen([sys.executable, "-c", liar, cluster.address], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with begun(cluster, tmp_path / "report", trials=0) as campaign:
            _, complaint = campaign.communicate(timeout=300)
        process.kill()
    assert campaign.returncode == NotRepeatedError.exit_code, complaint
    assert "gave two results" in complaint
    assert "liar" in complaint


def test_another_patchkit_and_one_that_was_not_asked(tmp_path: Path) -> None:
    """A worker with another patchkit is refused by name, and within some seconds."""
    other = tmp_path / "other"
    shutil.copytree(ROOT / "patchkit", other / "patchkit", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("patches", "docker"):
        (other / name).symlink_to(ROOT / name)
    with (other / "patchkit" / "lab" / "__init__.py").open("a") as changed:
        changed.write("# another one\n")
    with local_cluster(tmp_path, 0) as cluster:
        cluster.start_worker("other", {"PYTHONPATH": str(other)})
        cluster.start_worker("plain", preload=False)
        complaint = run(tmp_path / "report", "--on", cluster.address, code=ClusterError.exit_code)
        assert "other: it has another patchkit" in complaint
        assert "plain: it was not started with --preload" in complaint
        assert not (tmp_path / "report" / "trials.jsonl").exists()


def test_the_scheduler_is_killed_and_resume_goes_on_with_another(alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    with local_cluster(tmp_path, 2) as cluster:
        with begun(cluster, out) as process:
            cluster.kill_scheduler()
            _, complaint = process.communicate(timeout=120)
        assert process.returncode == ClusterError.exit_code, complaint
        assert "is gone" in complaint
        eventually(lambda: not cluster.busy(), "the workers to have nothing to do")
        assert json.loads((out / "results.json").read_text())  # what is there was reported
        cluster.kill("w1")
        cluster.kill("w2")
        cluster.start_scheduler()
        cluster.start_worker("w1")
        run(out, "--resume", "--on", cluster.address)
    same(alone, out)

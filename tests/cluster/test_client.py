"""What a client refuses, and what it makes of what workers tell."""

from __future__ import annotations

import sys

import pytest

from patchkit import resources
from patchkit.cluster.client import Cluster, Input, connected
from patchkit.cluster.identity import identity, resource
from patchkit.cluster.task import RESULT, TOPIC
from patchkit.errors import ClusterError, NotRepeatedError


def test_without_dask_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError) as refusal, connected("tcp://127.0.0.1:1", "lab"):
        pass
    assert refusal.value.advice == "pip install 'patchkit[cluster]'"


class Scheduler:
    """Knows workers, as a scheduler of Dask describes them."""

    status = "running"

    def __init__(self, **workers: dict[str, object]) -> None:
        self.workers = workers

    def scheduler_info(self, n_workers: int) -> dict[str, object]:
        assert n_workers == -1
        return {"workers": self.workers}


def test_nobody_can_do_it_and_each_worker_has_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Scheduler(
        plain={"name": "p", "resources": {}},
        old={"name": "o", "resources": {}, "patchkit": {"version": "0.0.9", "identity": "abc", "lacks": {}}},
        small={"resources": {}, "patchkit": {"version": "1", "identity": identity(), "lacks": {"lab": "no room"}}},
        late={"name": "l", "resources": {}, "patchkit": {"version": "1", "identity": identity(), "lacks": {}}},
    )
    cluster = Cluster(client, "tcp://x", "lab")
    cluster.heard((0.0, {"ability": "lab", "lacks": "no ptrace here", "worker": "late"}))
    cluster.heard((0.0, {"ability": "build", "lacks": "no compiler", "worker": "plain"}))
    monkeypatch.setattr("patchkit.cluster.client._PATIENCE", 0.0)
    with pytest.raises(ClusterError) as refusal:
        cluster.wait_for_workers()
    assert refusal.value.why.splitlines() == [
        "p: it was not started with --preload patchkit.cluster.preload",
        f"o: it has another patchkit, 0.0.9 (abc); this is {identity()}",
        "small: no room",
        "l: no ptrace here",
    ]
    client.workers["late"]["resources"] = {resource("lab"): 3.0}
    cluster.wait_for_workers()
    assert (cluster.slots, cluster.room()) == (3, 6)


def test_a_scheduler_that_is_gone() -> None:
    client = Scheduler()
    client.status = "connecting"
    with pytest.raises(ClusterError, match="gone"):
        Cluster(client, "tcp://x", "lab").wait_for_workers()


def test_two_results_of_one_unit_are_an_error_of_their_own() -> None:
    cluster = Cluster(Scheduler(w={"resources": {resource("lab"): 1.0}}), "tcp://x", "lab", _run="run1")
    for unit, digest, worker in (("a 1 run1", "x", "w1"), ("a 1 run1", "x", "w2"), ("a 2 run1", "y", "w1"),
                                 ("a 1 run2", "z", "w1")):  # fmt: skip
        cluster.heard((0.0, {"unit": unit, "sha256": digest, "worker": worker}))
    cluster.check()
    cluster.heard((0.0, {"unit": "a 1 run1", "sha256": "other", "worker": "w3"}))
    with pytest.raises(NotRepeatedError) as error:
        cluster.check()
    assert (error.value.what, error.value.why) == ("a 1 gave two results", "x on w1, other on w3")


def answered(unit: bytes) -> bytes:
    return RESULT + unit


def test_two_results_are_found_where_the_last_event_comes_after_the_last_check() -> None:
    """A real scheduler and a real worker in this process; another client tells of a unit that is done already."""
    from distributed import Client, LocalCluster

    resources = {resource("lab"): 1}
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", resources=resources
        ) as dask,
        Client(dask.scheduler_address, set_as_default=False) as liar,
    ):  # fmt: skip

        def work(*digests: str) -> None:
            with connected(dask.scheduler_address, "lab") as cluster:
                assert cluster.submit(answered, b"abc", [], ("a", 1), bytes).result(60) == b"abc"
                for digest in digests:
                    liar.log_event(TOPIC, {"unit": f"a 1 {cluster._run}", "sha256": digest, "worker": "liar"})

        work("x", "x")
        with pytest.raises(NotRepeatedError, match="a 1 gave two results"):
            work("x", "y")


def test_an_input_is_known_by_its_hash() -> None:
    assert Input("any", b"abc").sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_identity_changes_with_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity()
    files = [*resources.all_files(), ("patchkit/lab/new.py", b"")]
    assert any(name.startswith("patchkit/lab/") for name, _ in files)
    assert any(name.startswith("patchkit/cluster/") for name, _ in files)
    monkeypatch.setattr(resources, "all_files", lambda: files)
    identity.cache_clear()
    assert identity() != before
    identity.cache_clear()

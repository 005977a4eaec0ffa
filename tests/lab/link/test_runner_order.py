"""The runner's orders: a document that holds all that it needs."""

from __future__ import annotations

import json
from typing import Any

from patchkit.lab.link.runner_order import VERB, Turn, order
from patchkit.lab.model.scenario import Scenario, built_in
from patchkit.lab.runner.network import TO_CLIENT, TO_SERVER
from patchkit.lab.runner.task import FRAMES, LAST, LOGS
from patchkit.releases.version import Version

V = Version.parse


def scenario(**more: Any) -> Scenario:
    return Scenario(**{"summary": "a test", **more})


def test_an_order_is_all_that_the_runner_needs() -> None:
    turns = [Turn(5), Turn(6, verbosity=7, keep_logs=True, keep_frames=True)]
    both_turns = order(built_in()["lose-ack-of-2"], V("2.6.14"), V("2.3.2"), turns)
    read = json.loads(json.dumps(both_turns))
    assert read["run"] == "handshake"
    assert read["limit_s"] == 60
    assert [turn["seed"] for turn in read["turns"]] == [5, 6]
    assert [turn["verb"] for turn in read["turns"]] == [3, 7]
    assert read["wishes"] == [0, LOGS + FRAMES + LAST]
    first_only = order(built_in()["lose-ack-of-2"], V("2.6.14"), V("2.3.2"), turns, count=1)
    assert first_only["wishes"] == [LAST, LOGS + FRAMES]
    assert first_only["turns"] == both_turns["turns"]
    qdiscs = [turn["qdiscs"][direction] for turn in read["turns"] for direction in ("up", "down")]
    assert len({qdisc["seed"] for qdisc in qdiscs}) == 4
    assert TO_CLIENT in read["rules"]
    assert TO_SERVER in read["rules"]
    client, server = read["peers"]["client"], read["peers"]["server"]
    assert client["command"][:3] == ["peers/client", "--verb", VERB]
    assert "--tls-version-min" in client["command"]
    assert "--cipher" in server["command"]
    assert set(client["count"]) - {"completions"} == {name.replace("server", "client") for name in server["count"]}
    assert "completions" not in server["count"]
    assert read["cpu_limit_s"] == 30


def test_what_is_asked_for_decides_the_order() -> None:
    soak = order(built_in()["soak-15"], V("2.6.14"), V("2.6.14"), [Turn(1)])
    assert soak["soak"] == {"duration_s": 3600, "ping_s": 1, "address": "10.8.0.1"}
    assert soak["cpu_limit_s"] == 1800
    short = order(scenario(limit_s=10, topology="p2p"), V("2.6.14"), V("2.6.14"), [])
    assert (short["cpu_limit_s"], short["rules"], short["turns"]) == (20, "", [])
    outage = order(built_in()["outage"], V("2.6.14"), V("2.6.14"), [])
    assert [when for when, _ in outage["outages"]] == [0.3, 20.3]  # type: ignore[attr-defined]


def test_many_clients_start_at_the_same_moments_in_every_arm() -> None:
    crowd = scenario(clients=20, spread_s=5)
    stock, patched = (
        order(crowd, V(release), V(release), [Turn(seed) for seed in (5, 6)]) for release in ("2.6.14", "2.3.2")
    )
    starts = [turn["starts"] for turn in stock["turns"]]  # type: ignore[attr-defined]
    assert starts == [turn["starts"] for turn in patched["turns"]]  # type: ignore[attr-defined]
    for moments in starts:
        assert len(moments) == 20
        assert moments == sorted(moments)
        assert 0 <= moments[0] < 2
        assert 3 < moments[-1] < 5
    assert starts[0] != starts[1]
    at_once = order(scenario(clients=3), V("2.6.14"), V("2.6.14"), [Turn(5)])
    assert at_once["turns"][0]["starts"] == [0, 0, 0]  # type: ignore[index]


def test_an_order_for_two_peers_says_nothing_of_crowds() -> None:
    """It would be longer, and its trials would not come out the same to the microsecond any more."""
    handshake = order(scenario(), V("2.6.14"), V("2.6.14"), [Turn(5)])
    assert "crowd" not in handshake
    assert handshake["turns"][0].keys() == {"seed", "qdiscs", "verb"}  # type: ignore[index]

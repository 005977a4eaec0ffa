"""From the runner's answer to a trial."""

from __future__ import annotations

import json
import zlib
from typing import Any

from patchkit.lab.model.scenario import Scenario, built_in
from patchkit.lab.model.trial import Trial
from patchkit.lab.observe.trial_from_run import observed
from patchkit.lab.runner.capture import DOWN_DELIVERED, DOWN_SENT, RECORD, UP_DELIVERED, UP_SENT

BEGAN = 1_796_083_200_000_000_000


def records(*lost: int, delay: float = 50.0) -> bytes:
    """Twenty packets each way, some of those up lost; and one a second later."""
    out = b""
    for n in range(20):
        data = bytes([n])
        points = ((UP_SENT, 0.0), (UP_DELIVERED, delay), (DOWN_SENT, 1.0), (DOWN_DELIVERED, delay + 1))
        for point, late in points:
            if not (point == UP_DELIVERED and n in lost):
                out += RECORD.pack(BEGAN + int((10 * n + late) * 1e6), point, 4 << 3, 1, zlib.crc32(data), 1 + n)
    return out + RECORD.pack(BEGAN + 1_300_000_000, UP_SENT, 9 << 3, 4, 0, 0)


def outcome(**more: Any) -> dict[str, Any]:
    fields = {
        "outcome": "completed", "detail": "", "seconds": 0.6200001234, "until_ns": BEGAN + 1_200_000_000,
        "guest_seconds": 2.00000049, "capture_lost": 0, "cpu": {"client": 0.0512345678, "server": 0.06},
        "counters": "", "counts": {},
    }  # fmt: skip
    return {**fields, **more}


def trial(scenario: Scenario, packets: bytes, **more: Any) -> Trial:
    return observed("a/b/c", 3, 77, scenario, outcome(**more), {"packets": packets})


def counters(up: int, down: int) -> str:
    named = [{"counter": {"name": f"ruled_{way}", "packets": n}} for way, n in (("up", up), ("down", down))]
    return json.dumps({"nftables": [{"metainfo": {"version": "1.1.3"}}, *named]})


def test_a_good_trial() -> None:
    result = trial(built_in()["clean"], records())
    assert (result.cell, result.trial, result.seed, result.outcome, result.detail) == ("a/b/c", 3, 77, "completed", "")
    assert (result.seconds, result.guest_seconds, result.cpu["client"], result.soak) == (0.62, 2.0, 0.051235, None)
    assert result.traffic["up"].opcodes == {"P_CONTROL_V1": 20}
    assert result.traffic["down"].delay_ms == 50


def test_what_did_not_complete_has_no_time() -> None:
    for what in ("timeout", "crash", "hang"):
        result = trial(built_in()["clean"], records(), outcome=what, detail="why", seconds=None, until_ns=None)
        assert (result.outcome, result.seconds, result.detail) == (what, None, "why")


def test_a_link_that_was_not_as_asked_makes_it_void() -> None:
    result = trial(built_in()["clean"], records(3, 4))
    assert (result.outcome, result.seconds) == ("void", None)
    assert result.detail == "up: 2 of 20 packets lost, 0.0% asked for"
    crashed = trial(built_in()["clean"], records(), outcome="crash", detail="why", capture_lost=3)
    assert crashed.detail == "3 packets came faster than they could be counted\n(crash)"
    late = trial(built_in()["clean"], records(delay=70))
    assert late.detail.splitlines()[0] == "up: median delay 70.0 ms, 50 ms asked for"


def test_what_the_rules_dropped_is_no_fault() -> None:
    result = trial(built_in()["lose-5th-packet"], records(3, 4), counters=counters(2, 0))
    assert (result.outcome, result.traffic["up"].ruled_out, result.traffic["down"].ruled_out) == ("completed", 2, 0)
    assert trial(built_in()["lose-5th-packet"], records(3, 4), counters=counters(0, 2)).outcome == "void"


def test_a_crowd() -> None:
    """Whoever was not done, or not even started, is one of the crowd all the same."""
    scenario = Scenario(summary="a test", both={"delay_ms": 50}, clients=4, spread_s=1)  # type: ignore[call-arg]
    result = trial(scenario, records(), outcome="crash", crowd=[1.50000049, None, 2])
    assert result.crowd is not None
    assert result.crowd.model_dump() == {"clients": 4, "completed": 2, "seconds": [1.5, None, 2.0, None]}
    assert trial(built_in()["clean"], records()).crowd is None


def test_a_soak() -> None:
    kinds = ("renegotiations", "failed_renegotiations", "ping_restarts")
    counts = {f"{side}_{kind}": n for n, kind in enumerate(kinds) for side in ("client", "server")}
    pings = {"sent": 100, "answered": 90, "gaps": [(1.0, 12.5), (40.0, 3.0), (60.0, 10.0)], "seconds": 100.00049}
    scenario = Scenario(summary="a test", both={"delay_ms": 50}, run="soak")  # type: ignore[call-arg]
    result = trial(scenario, records(), counts={**counts, "completions": 3}, pings=pings, seconds=None)
    assert result.soak is not None
    assert result.soak.model_dump() == {
        "seconds": 100.0, "pings_sent": 100, "pings_answered": 90, "longest_outage": 12.5, "outages": 1,
        "down_seconds": 12.5, "renegotiations": 0, "failed_renegotiations": 2, "ping_restarts": 4, "reconnects": 2,
    }  # fmt: skip
    assert trial(scenario, records(), outcome="crash", detail="x").soak is None

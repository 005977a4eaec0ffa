"""Make a trial from the runner's output."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from patchkit.lab.model.scenario import Scenario
from patchkit.lab.model.trial import DIRECTIONS, Crowd, Direction, Soak, Traffic, Trial
from patchkit.lab.observe import link_validity, packets


def observed(
    cell: str, number: int, seed: int, scenario: Scenario, outcome: Mapping[str, Any], parts: Mapping[str, bytes]
) -> Trial:
    """Make trial ``number`` of ``cell``, with ``seed`` over ``scenario``, from the runner's ``outcome`` and ``parts``.

    The trial is void when its link did not do what the scenario asks for.
    """
    captured = packets.read(parts["packets"])
    ruled_out = _counters(outcome["counters"])
    carried: dict[Direction, Traffic] = {
        direction: packets.traffic(
            captured, direction, scenario.flow(direction), until_ns=outcome["until_ns"], ruled_out=ruled_out[direction]
        )
        for direction in DIRECTIONS
    }
    result, detail = outcome["outcome"], outcome["detail"]
    faults = link_validity.faults(scenario, carried, outcome["capture_lost"])
    if faults:
        result, detail = "void", "\n".join([*faults, *([f"({result})"] if result != "completed" else [])])
    seconds = outcome["seconds"]
    return Trial(
        cell=cell,
        trial=number,
        seed=seed,
        outcome=result,
        seconds=round(seconds, 6) if result == "completed" and seconds is not None else None,
        detail=detail,
        traffic=carried,
        cpu={side: round(used, 6) for side, used in outcome["cpu"].items()},
        guest_seconds=round(outcome["guest_seconds"], 6),
        soak=_soak(outcome, scenario) if "pings" in outcome else None,
        crowd=_crowd(outcome["crowd"], scenario) if "crowd" in outcome else None,
    )


def _counters(nft_json: str) -> dict[Direction, int]:
    """Read from nft's JSON how many packets the scenario's own rules dropped."""
    counts: dict[Direction, int] = {"up": 0, "down": 0}
    for entry in json.loads(nft_json)["nftables"] if nft_json else []:
        counter = entry.get("counter", {})
        for direction in DIRECTIONS:
            if counter.get("name") == f"ruled_{direction}":
                counts[direction] = counter["packets"]
    return counts


def _crowd(seconds: Sequence[float | None], scenario: Scenario) -> Crowd:
    """Count the clients of ``scenario``; one that was not even started, because the server died, was not done."""
    every = [*seconds, *[None] * (scenario.clients - len(seconds))]
    return Crowd(
        clients=scenario.clients,
        completed=sum(duration is not None for duration in every),
        seconds=[None if duration is None else round(duration, 6) for duration in every],
    )


def _soak(outcome: Mapping[str, Any], scenario: Scenario) -> Soak:
    pings, counts = outcome["pings"], outcome["counts"]
    gaps = [length for _, length in pings["gaps"]]
    both = {
        event: counts[f"client_{event}"] + counts[f"server_{event}"]
        for event in ("renegotiations", "failed_renegotiations", "ping_restarts")
    }
    return Soak(
        seconds=round(pings["seconds"], 3),
        pings_sent=pings["sent"],
        pings_answered=pings["answered"],
        longest_outage=max(gaps, default=0.0),
        outages=sum(gap > scenario.outage_s for gap in gaps),
        down_seconds=round(sum(gap for gap in gaps if gap > scenario.outage_s), 3),
        reconnects=counts["completions"] - 1,
        **both,
    )

"""From what the runner gives back to a trial."""

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
    """The trial, void where its link did not do what was asked."""
    seen = packets.read(parts["packets"])
    ruled_out = _counters(outcome["counters"])
    carried: dict[Direction, Traffic] = {
        direction: packets.traffic(
            seen, direction, scenario.flow(direction), until_ns=outcome["until_ns"], ruled_out=ruled_out[direction]
        )
        for direction in DIRECTIONS
    }
    what, detail = outcome["outcome"], outcome["detail"]
    wrong = link_validity.faults(scenario, carried, outcome["capture_lost"])
    if wrong:
        what, detail = "void", "\n".join([*wrong, *([f"({what})"] if what != "completed" else [])])
    seconds = outcome["seconds"]
    return Trial(
        cell=cell,
        trial=number,
        seed=seed,
        outcome=what,
        seconds=round(seconds, 6) if what == "completed" and seconds is not None else None,
        detail=detail,
        traffic=carried,
        cpu={side: round(used, 6) for side, used in outcome["cpu"].items()},
        guest_seconds=round(outcome["guest_seconds"], 6),
        soak=_soak(outcome, scenario) if "pings" in outcome else None,
        crowd=_crowd(outcome["crowd"], scenario) if "crowd" in outcome else None,
    )


def _counters(said: str) -> dict[Direction, int]:
    """What the scenario's own rules dropped, from nft's JSON."""
    counts: dict[Direction, int] = {"up": 0, "down": 0}
    for one in json.loads(said)["nftables"] if said else []:
        counter = one.get("counter", {})
        for direction in DIRECTIONS:
            if counter.get("name") == f"ruled_{direction}":
                counts[direction] = counter["packets"]
    return counts


def _crowd(seconds: Sequence[float | None], scenario: Scenario) -> Crowd:
    """Whoever was not even started, because the server died first, is one that was not done."""
    every = [*seconds, *[None] * (scenario.clients - len(seconds))]
    return Crowd(
        clients=scenario.clients,
        completed=sum(one is not None for one in every),
        seconds=[None if one is None else round(one, 6) for one in every],
    )


def _soak(outcome: Mapping[str, Any], scenario: Scenario) -> Soak:
    pings, counts = outcome["pings"], outcome["counts"]
    gaps = [length for _, length in pings["gaps"]]
    both = {
        what: counts[f"client_{what}"] + counts[f"server_{what}"]
        for what in ("renegotiations", "failed_renegotiations", "ping_restarts")
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

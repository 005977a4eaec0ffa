"""The runner's order: a batch of trials of one cell, as a JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from patchkit.lab.link import netem_rules, openvpn_options
from patchkit.lab.model.scenario import Scenario
from patchkit.lab.model.trial import DIRECTIONS
from patchkit.lab.runner.task import FRAMES, LAST, LOGS
from patchkit.releases.version import Version

_CPU_SHARE = 0.5  # of the trial's time that one peer may compute: beyond it, it is in an endless loop
_CPU_LEAST = 20.0  # seconds
# What a soak counts in the logs; msg() texts of ssl.c, ping.c and init.c, the same in all series.
_COUNTED = {
    "renegotiations": "TLS: soft reset",
    "failed_renegotiations": "TLS key negotiation failed to occur within",
    "ping_restarts": "Inactivity timeout (--ping-restart)",
}
_COMPLETED = "Initialization Sequence Completed"
_BEGUN = " link remote: "  # init.c and socket.c: a client prints it before its first packet
VERB = "{verb}"
"""Replaced in the peers' command lines by each trial's own ``--verb``."""


@dataclass(frozen=True)
class Turn:
    """One trial of a batch, called a turn in the runner's order, and how much is kept of it beyond its counts."""

    seed: int
    verbosity: int = 3
    """``--verb`` of both peers."""
    keep_logs: bool = False
    keep_frames: bool = False


def order(
    scenario: Scenario, client: Version, server: Version, turns: Sequence[Turn], *, count: int | None = None
) -> dict[str, object]:
    """Write the runner's order for the first ``count`` of ``turns``, trials of one cell, one behind the other.

    The others are in the order all the same: reading a longer order takes longer, and would move what follows.
    """
    sides: dict[str, object] = {}
    pairs: tuple[tuple[openvpn_options.Side, Version, Version], ...] = (
        ("client", client, server),
        ("server", server, client),
    )
    for side, own, other in pairs:
        counted = {f"{side}_{event}": text for event, text in _COUNTED.items()}
        if side == "client":
            counted["completions"] = _COMPLETED
        sides[side] = {
            "command": openvpn_options.command(f"peers/{side}", side, scenario, own, other, verbosity=VERB),
            "ready": openvpn_options.ready_message(scenario),
            "done": openvpn_options.DONE[scenario.topology, side],
            "count": counted,
        }
    # Only if it is a crowd: reading a longer order takes longer, and would move the trials of all other scenarios.
    crowd = {"crowd": {"begun": _BEGUN}} if scenario.is_crowd else {}
    return {
        **crowd,
        "run": scenario.run,
        "limit_s": scenario.limit_s,
        "cpu_limit_s": max(_CPU_LEAST, _CPU_SHARE * scenario.longest_s),
        "kill": scenario.kill,
        "rules": netem_rules.rules(scenario),
        "acks_at": netem_rules.acks_at(scenario.wrap),
        "outages": netem_rules.outages(scenario),
        "peers": sides,
        "shell": bool(scenario.client_options or scenario.server_options),  # they may name scripts
        "soak": {
            "duration_s": scenario.duration_s,
            "ping_s": scenario.ping_s,
            "address": openvpn_options.SERVER_TUNNEL,
        },
        "turns": [
            {
                "seed": turn.seed,
                "qdiscs": {
                    direction: netem_rules.qdisc(scenario.flow(direction), netem_rules.derived(turn.seed, direction))
                    for direction in DIRECTIONS
                },
                "verb": turn.verbosity,
                **({"starts": _starts(scenario, turn.seed)} if scenario.is_crowd else {}),
            }
            for turn in turns
        ],
        # Read when a trial is over: what is kept of a trial must not change how it goes.
        "wishes": [
            LOGS * turn.keep_logs + FRAMES * turn.keep_frames + LAST * (number == (count or len(turns)))
            for number, turn in enumerate(turns, start=1)
        ],
    }


def _starts(scenario: Scenario, seed: int) -> list[float]:
    """Derive from ``seed`` when each client of a crowd starts, in seconds: in every arm at the same moments."""
    shares = (netem_rules.derived(seed, "start", number) / 2**63 for number in range(scenario.clients))
    return sorted(round(scenario.spread_s * share, 3) for share in shares)

"""From what the user asked for to arms, cells and a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from patchkit import __version__
from patchkit.errors import BadUsageError
from patchkit.lab.model.campaign import Arm, Campaign, Cell, Machine, Program
from patchkit.lab.model.scenario import Flow, Scenario
from patchkit.lab.model.trial import DIRECTIONS

REFERENCE_TRIALS = 3
"""Trials of a lossless reference cell: without losses they hardly differ."""
_REFERENCE = "reference"
_SUMMARY = "nothing lost: what packets are compared with"
_SET_UP = (
    "clients", "spread_s", "topology", "wrap", "max_packet_size", "limit_s", "keepalive", "client_options",
    "server_options",
)  # fmt: skip


def arm(client: Program, server: Program) -> Arm:
    """Two programs that meet."""
    name = client.name if client == server else f"{client.name}:{server.name}"
    return Arm(name=name, client=client, server=server)


def campaign(
    arms: Sequence[Arm],
    scenarios: Mapping[str, Scenario],
    credentials: Sequence[str],
    *,
    seed: int,
    trials: int,
    machine: Machine,
) -> Campaign:
    """Every arm over every scenario with all ``credentials``, or with the scenario's own where none are named."""
    names = [one.name for one in arms]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise BadUsageError(f"{twice.pop()} is named twice", why="an arm that is compared with itself shows nothing")
    if any(name.startswith(_REFERENCE) for name in scenarios):
        raise BadUsageError(f"a scenario can't be called {_REFERENCE}", why="patchkit's own lossless ones are")
    cells = [
        Cell(id=f"{one.name}/{name}/{profile}", arm=one.name, scenario=name, credentials=profile)
        for name, scenario in scenarios.items()
        for profile in (credentials or [scenario.credentials])
        for one in arms
    ]
    lossless = _lossless(scenarios)
    reference = [
        Cell(id=f"{arms[0].name}/{name}/{profile}", arm=arms[0].name, scenario=name, credentials=profile)
        for name in lossless
        for profile in dict.fromkeys(cell.credentials for cell in cells)
    ]
    return Campaign(
        patchkit=__version__,
        seed=seed,
        trials=trials,
        machine=machine,
        arms=list(arms),
        scenarios={**scenarios, **lossless},
        cells=cells,
        reference=reference,
    )


def _lossless(scenarios: Mapping[str, Scenario]) -> dict[str, Scenario]:
    """A handshake without losses for each set-up and delay among the scenarios."""
    found: list[Scenario] = []
    for scenario in scenarios.values():
        kept = scenario.model_dump(include={*_SET_UP})
        delays = {name: Flow(delay_ms=scenario.flow(name).delay_ms) for name in DIRECTIONS}
        clean = Scenario.model_validate({"summary": _SUMMARY, **kept, **delays})
        if scenario.run == "handshake" and clean not in found:
            found.append(clean)
    return {_REFERENCE if n == 0 else f"{_REFERENCE}-{n + 1}": clean for n, clean in enumerate(found)}

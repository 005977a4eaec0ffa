"""Lay out a new campaign: arms, cells and the lossless cells that packets are compared with."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from patchkit import __version__
from patchkit.errors import BadUsageError
from patchkit.lab.model.campaign import Arm, Campaign, Cell, LinkDescription, Program
from patchkit.lab.model.scenario import Flow, Proto, Scenario
from patchkit.lab.model.trial import DIRECTIONS

REFERENCE_TRIALS = 3
"""Trials of a lossless reference cell: without losses they hardly differ."""
_REFERENCE = "reference"
_SUMMARY = "nothing lost: what packets are compared with"
_SET_UP = (
    "clients", "spread_s", "topology", "wrap", "proto", "max_packet_size", "limit_s", "keepalive", "client_options",
    "server_options",
)  # fmt: skip


def arm(
    client: Program,
    server: Program,
    client_options: Sequence[str] = (),
    server_options: Sequence[str] = (),
    proto: Proto | None = None,
) -> Arm:
    """Name the arm in which ``client`` meets ``server``, each with its options, over ``proto``."""
    transport = ["--proto", proto] if proto else []
    sides = [
        shlex.join([program.name, *transport, *options])
        for program, options in ((client, client_options), (server, server_options))
    ]
    if client == server and client_options == server_options:
        name = sides[0]
    elif client_options == server_options:
        name = shlex.join([f"{client.name}:{server.name}", *transport, *client_options])
    else:
        name = ":".join(sides)
    return Arm(
        name=name,
        client=client,
        server=server,
        client_options=list(client_options),
        server_options=list(server_options),
        proto=proto,
    )


def campaign(
    arms: Sequence[Arm],
    scenarios: Mapping[str, Scenario],
    credentials: Sequence[str],
    *,
    seed: int,
    trials: int,
    machine: LinkDescription,
) -> Campaign:
    """Lay out the campaign of ``arms`` over ``scenarios`` with all ``credentials``, or else each scenario's own.

    Raises BadUsageError when an arm is named twice, or when a scenario has a name that is reserved.
    """
    names = [arm.name for arm in arms]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise BadUsageError(f"{repeated.pop()} is named twice", why="an arm that is compared with itself shows nothing")
    if any(name.startswith(_REFERENCE) for name in scenarios):
        raise BadUsageError(f"a scenario cannot be called {_REFERENCE}", why="patchkit's own lossless ones are")
    cells = [
        Cell(id=f"{arm.name}/{name}/{profile}", arm=arm.name, scenario=name, credentials=profile)
        for name, scenario in scenarios.items()
        for profile in (credentials or [scenario.credentials])
        for arm in arms
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
    """Add a handshake without losses for each set-up and delay among ``scenarios``."""
    lossless: list[Scenario] = []
    for scenario in scenarios.values():
        set_up = scenario.model_dump(include={*_SET_UP})
        delays = {name: Flow(delay_ms=scenario.flow(name).delay_ms) for name in DIRECTIONS}
        clean = Scenario.model_validate({"summary": _SUMMARY, **set_up, **delays})
        if scenario.run == "handshake" and clean not in lossless:
            lossless.append(clean)
    return {_REFERENCE if n == 0 else f"{_REFERENCE}-{n + 1}": clean for n, clean in enumerate(lossless)}

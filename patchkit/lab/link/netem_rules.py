"""A scenario's link as qdiscs and rules of ``nft``, for the router."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from patchkit.lab.link.netem_message import options
from patchkit.lab.model.scenario import Drop, Flow, Proto, Scenario, Wrap
from patchkit.lab.model.trial import DIRECTIONS, Direction
from patchkit.lab.runner.network import TO_CLIENT, TO_SERVER
from patchkit.lab.runner.task import PORT

_INTO: dict[Direction, str] = {"up": TO_CLIENT, "down": TO_SERVER}
"""The router's device where packets of that direction come in."""
# ssl_pkt.h (ssl.h up to 2.5): the upper five bits of a packet's first byte.
_OPCODES = {"control": "{ 1, 2, 3, 4, 7, 8, 10, 11 }", "ack": "5", "data": "{ 6, 9 }"}
_SESSION_ID = 8  # bytes, behind the first one
_TLS_AUTH = 20 + 8  # bytes more: HMAC-SHA1, and the packet's ID and time


def acks_at(wrap: Wrap) -> int | None:
    """Count the bytes before the number of ACKs in a control packet with ``wrap``; None when they are encrypted."""
    if wrap == "tls-crypt":
        return None
    return 1 + _SESSION_ID + (_TLS_AUTH if wrap == "tls-auth" else 0)


def derived(seed: int, *labels: object) -> int:
    """Derive a seed of 63 bits from ``seed`` and ``labels``: the same on every machine."""
    text = ":".join(map(str, (seed, *labels)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def qdisc(flow: Flow, seed: int) -> dict[str, object]:
    """Describe the netem of ``flow`` to the runner: see tc-netem(8). Losses depend on ``seed`` and the packet's number.

    ``seed`` and ``distribution``, the name of a table that the runner reads, stand beside ``options``, the rest.
    """
    described: dict[str, object] = {"kind": "netem", "options": options(flow).hex(), "seed": seed}
    return described | ({"distribution": flow.distribution} if _has_table(flow) else {})


def _has_table(flow: Flow) -> bool:
    """Whether delays follow a table: without one, netem draws them uniformly."""
    return bool(flow.jitter_ms) and flow.distribution != "uniform"


def rules(scenario: Scenario) -> str:
    """Write nft's rules for what ``scenario`` drops by itself; empty when it drops nothing.

    A machine runs several trials: each begins with counters at zero. Each rule sees the packets that the rules before
    it let through. ``numgen`` counts the packets that reach it, from 0.
    """
    if not scenario.drop and not scenario.outage:
        return ""
    lines = [line for n, drop in enumerate(scenario.drop) for line in _drop(drop, scenario.wrap, f"nth_{n}")]
    counted = "".join(f"chain nth_{n} {{\n{_nth(drop)}}}\n" for n, drop in enumerate(scenario.drop) if _shared(drop))
    # A long soak's data packets are not captured: they are dropped like the others, and not counted either.
    apart = f"@th,64,5 {_OPCODES['data']} drop\n" if scenario.run == "soak" and scenario.proto == "udp" else ""
    counters = "".join(f"counter ruled_{direction} {{ }}\n" for direction in DIRECTIONS)
    counters += "".join(
        f"chain ruled_out_{direction} {{\n{apart}counter name ruled_{direction} drop\n}}\n" for direction in DIRECTIONS
    )
    chains = "".join(f"chain {direction} {{\n" + "".join(_of(direction, lines)) + "}\n" for direction in DIRECTIONS)
    jumps = "".join(
        f'iifname "{_INTO[direction]}" {_ours(direction, scenario.proto)} jump {direction}\n'
        for direction in DIRECTIONS
    )
    hook = "type filter hook forward priority 0; policy accept;"
    forward = f"chain forward {{ {hook}\njump outage\n{jumps}}}\n"
    return f"flush ruleset\ntable ip lab {{\n{counters}chain outage {{ }}\n{counted}{chains}{forward}}}\n"


def outages(scenario: Scenario) -> list[tuple[float, str]]:
    """List when the link of ``scenario`` dies or comes back, in its seconds, each time with nft's rules for it."""
    dead = "".join(
        f"{rule} {_ours(direction, scenario.proto)} jump ruled_out_{direction}\n{rule} drop\n"
        for direction in DIRECTIONS
        for rule in [f'add rule ip lab outage iifname "{_INTO[direction]}"']
    )
    merged: list[tuple[float, float]] = []
    for begin, end in sorted((outage.at_s, outage.at_s + outage.for_s) for outage in scenario.outage):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return [moment for begin, end in merged for moment in ((begin, dead), (end, "flush chain ip lab outage\n"))]


def _ours(direction: Direction, proto: Proto) -> str:
    """Match what the capture counts: not, say, the ICMP packets that a peer's absence causes."""
    return f"{proto} {'d' if direction == 'up' else 's'}port {PORT}"


def _of(direction: Direction, lines: Sequence[tuple[Direction, str]]) -> list[str]:
    return [line for line_direction, line in lines if line_direction == direction]


def _drop(drop: Drop, wrap: Wrap, chain: str) -> list[tuple[Direction, str]]:
    """Write the rules of ``drop``. @th counts bits from the UDP header on: its 8 bytes, then OpenVPN's packet."""
    match = f"@th,64,5 {_OPCODES[drop.kind]} " if drop.kind != "any" else ""
    acks = acks_at(wrap) or 0  # with tls-crypt, a scenario has no rule that looks so far
    if drop.acknowledges is not None:
        match += _byte(acks, "!= 0") + _word(acks + 1, f"{drop.acknowledges}")
    if drop.packet_id is not None:
        # The ID stands behind as many ACKs as the packet carries, and behind the other side's session ID if any.
        matches = [
            match
            + _byte(acks, f"{count}")
            + _word(acks + 1 + (4 * count + _SESSION_ID) * bool(count), f"{drop.packet_id}")
            for count in range(9)
        ]
    else:
        matches = [match]
    end = f"jump {chain}\n" if _shared(drop) else _nth(drop)
    return [(drop.direction, f"{match}{end}") for match in matches]


def _shared(drop: Drop) -> bool:
    """Whether ``drop`` needs several rules to match its packets, which have to be counted together."""
    return drop.packet_id is not None and bool(drop.nth)


def _nth(drop: Drop) -> str:
    """Write the rule that drops all packets that reach it, or the n-th of them."""
    numbers = ", ".join(str(n - 1) for n in sorted(set(drop.nth)))
    which = f"numgen inc mod {2**31} {{ {numbers} }} " if drop.nth else ""
    return f"{which}jump ruled_out_{drop.direction}\n"


def _byte(offset: int, test: str) -> str:
    return f"@th,{64 + 8 * offset},8 {test} "


def _word(offset: int, test: str) -> str:
    return f"@th,{64 + 8 * offset},32 {test} "

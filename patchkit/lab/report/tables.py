"""The tables of a report, as text: the same for every kind of page."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from patchkit.lab.model.campaign import Campaign
from patchkit.lab.model.trial import DIRECTIONS, Trial
from patchkit.lab.results.cell import CellResult
from patchkit.lab.results.comparison import Comparison
from patchkit.lab.results.figures import Estimate
from patchkit.lab.results.results import Results
from patchkit.lab.results.verdict import pvalue

NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class Table:
    """What it shows, what its columns are, and rows of which the first field names the row."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False
    """Of words, not numbers."""


def cells(found: Iterable[CellResult]) -> Table:
    """What the trials of each cell show."""
    return Table(
        "What the trials of each cell show. In brackets: 95 % intervals",
        ("cell", "counted", "void", "completed", "median, s", "90 %, s", "mean up to the limit, s", "control packets",
         "cost", "ACKs"),
        [
            (
                one.cell,
                f"{one.counted} of {one.asked}" if one.asked else str(one.counted),
                str(one.void),
                _completed(one),
                _estimate(one.median, f"over {one.limit_s:g}") if one.counted and not one.soak else NONE,
                _number(one.p90),
                _estimate(one.restricted_mean),
                _number(one.control_packets),
                _number(one.cost),
                _number(one.ack_packets),
            )
            for one in found
        ],
    )  # fmt: skip


def links(found: Iterable[CellResult]) -> Table:
    """What the link did, and what it cost the peers."""
    return Table(
        "What the link did, counted at the router, and the peers' CPU time",
        ("cell", "lost client → server", "lost server → client", "delay →, ms", "delay ←, ms", "client CPU, s",
         "server CPU, s", "why void"),
        [
            (
                one.cell,
                _percent(one.loss.get("up")),
                _percent(one.loss.get("down")),
                _number(one.delay_ms.get("up")),
                _number(one.delay_ms.get("down")),
                _number(one.cpu.get("client")),
                _number(one.cpu.get("server")),
                "; ".join(f"{reason} ({count})" for reason, count in one.void_reasons.items()) or NONE,
            )
            for one in found
        ],
    )  # fmt: skip


def comparisons(found: Iterable[Comparison]) -> Table:
    """Each arm against the first one."""
    return Table(
        "Against the first arm, by pairs of trials with the same seeds. In brackets: 95 % intervals; p after Holm",
        ("cell", "pairs", "both", "only this", "only first", "neither", "completion, points", "p", "time, s", "p",
         "packets, ratio", "p"),
        [
            (
                one.cell,
                str(one.pairs),
                str(one.both),
                str(one.only_this),
                str(one.only_first),
                str(one.neither),
                _estimate(one.rate_difference, scale=100),
                _pvalue(one.rate_p_adjusted),
                _estimate(one.time_difference),
                _pvalue(one.time_p_adjusted),
                _estimate(one.packets_ratio),
                _pvalue(one.packets_p_adjusted),
            )
            for one in found
        ],
    )  # fmt: skip


def soaks(found: Iterable[CellResult]) -> Table:
    """What became of tunnels that were watched for long."""
    return Table(
        "Soaks: all of a cell together",
        ("cell", "soaks", "hours", "pings answered", "outages", "longest, s", "renegotiations", "failed",
         "ping restarts", "reconnects"),
        [
            (
                one.cell,
                str(one.soak.trials),
                _number(one.soak.seconds / 3600),
                _percent(one.soak.pings_answered / one.soak.pings_sent if one.soak.pings_sent else None),
                str(one.soak.outages),
                _number(one.soak.longest_outage),
                str(one.soak.renegotiations),
                str(one.soak.failed_renegotiations),
                str(one.soak.ping_restarts),
                str(one.soak.reconnects),
            )
            for one in found
            if one.soak
        ],
    )  # fmt: skip


def crowds(found: Iterable[CellResult], compared: Iterable[Comparison]) -> Table:
    """What became of many clients, and what they cost their server."""
    ratios = {one.cell: one.server_cpu_ratio for one in compared}
    return Table(
        "Crowds: each client of a cell's trials counts as one. Packets and CPU time are of a trial. In brackets: 95 % "
        "intervals",
        ("cell", "trials", "clients", "completed", "median, s", "90 %, s", "99 %, s", "control →", "ACKs →",
         "control ←", "ACKs ←", "server CPU, s", "against the first arm"),
        [
            (
                one.cell,
                str(one.crowd.trials),
                str(one.crowd.clients),
                str(one.crowd.completed),
                _number(one.crowd.median),
                _number(one.crowd.p90),
                _number(one.crowd.p99),
                *(_number(sent) for way in DIRECTIONS for sent in _control_and_acks(one.crowd.opcodes[way])),
                _thousandths(one.crowd.server_cpu),
                _thousandths(ratios.get(one.cell)),
            )
            for one in found
            if one.crowd
        ],
    )  # fmt: skip


def _control_and_acks(opcodes: Mapping[str, float]) -> tuple[float, float]:
    control = sum(count for opcode, count in opcodes.items() if opcode.startswith("P_CONTROL_"))
    return control, opcodes.get("P_ACK_V1", 0.0)


def programs(campaign: Campaign) -> Table:
    """What was run."""
    return Table(
        "Programs",
        ("arm", "side", "says of itself", "sha256"),
        [
            (arm.name, side, program.version, program.sha256)
            for arm in campaign.arms
            for side, program in (("client", arm.client), ("server", arm.server))
        ],
        words=True,
    )


def scenarios(campaign: Campaign, results: Results) -> Table:
    """The links, as far as there are trials of them."""
    used = {one.scenario for one in [*results.cells, *results.reference]}
    return Table(
        "Scenarios",
        ("scenario", "what", "runs", "limit, s"),
        [
            (name, scenario.summary, scenario.runs, f"{scenario.limit_s:g}")
            for name, scenario in campaign.scenarios.items()
            if name in used
        ],
        words=True,
    )


def trials(found: Sequence[Trial]) -> Table:
    """Each trial of a cell, and how to repeat it."""
    return Table(
        "Each trial, and how to repeat it",
        ("trial", "outcome", "seconds", "control packets", "ACKs", "lost →", "lost ←", "seed", "repeat"),
        [
            (
                str(one.trial),
                one.outcome + (f": {one.detail}" if one.detail else ""),
                NONE if one.seconds is None else f"{one.seconds:.3f}",
                str(one.control_packets),
                str(one.ack_packets),
                *(f"{one.traffic[way].dropped}/{one.traffic[way].sent}" if way in one.traffic else NONE
                  for way in ("up", "down")),
                str(one.seed),
                replay(one.cell, one.trial),
            )
            for one in found
        ],
    )  # fmt: skip


def replay(cell: str, trial: int | str) -> str:
    """The line that repeats a trial; REPORT is the report's folder."""
    return f"patchkit lab replay REPORT --cell {shlex.quote(cell)} --trial {trial}"


def _completed(one: CellResult) -> str:
    if not one.rate:
        return NONE
    failed = [f"{count} {what}" for what, count in (("crash", one.crash), ("hang", one.hang)) if count]
    return f"{_estimate(one.rate, scale=100)} %" + (f", {', '.join(failed)}" if failed else "")


def _estimate(figure: Estimate | None, beyond: str = NONE, scale: float = 1.0) -> str:
    if figure is None:
        return beyond
    if figure.low is None:
        return _number(scale * figure.value)
    high = beyond if figure.high is None else _number(scale * figure.high)
    return f"{_number(scale * figure.value)} ({_number(scale * figure.low)} to {high})"


def _thousandths(figure: Estimate | None) -> str:
    """Of what hardly differs from trial to trial."""
    if figure is None:
        return NONE
    between = "" if figure.low is None or figure.high is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{between}"


def _percent(share: float | None) -> str:
    return _number(share if share is None else 100 * share, "{} %")


def _number(value: float | None, form: str = "{}") -> str:
    """Three digits, or all those before the point."""
    if value is None:
        return NONE
    size = abs(value)
    text = f"{value:.0f}" if size >= 100 or not size else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
    return form.format(text if size >= 1 or not size else f"{value:.2g}").replace("-", "\N{MINUS SIGN}")


def _pvalue(value: float | None) -> str:
    return NONE if value is None else pvalue(value)

"""The tables of a report, as text for every kind of page."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from patchkit.lab.model.campaign import Campaign
from patchkit.lab.model.trial import DIRECTIONS, Trial, acks_of, control_of
from patchkit.lab.results.cell import CellResult
from patchkit.lab.results.comparison import Comparison
from patchkit.lab.results.figures import Estimate
from patchkit.lab.results.results import Results
from patchkit.lab.results.verdict import pvalue

NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class Table:
    """A caption, the names of the columns, and rows of which the first field names the row."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False
    """Whether the fields are words, not numbers."""


def cells(results: Iterable[CellResult]) -> Table:
    """Tabulate the ``results`` of cells."""
    return Table(
        "What the trials of each cell show. In brackets: 95 % intervals",
        ("cell", "counted", "void", "completed", "median, s", "90 %, s", "mean up to the limit, s", "control packets",
         "cost", "ACKs"),
        [
            (
                result.cell,
                f"{result.counted} of {result.asked}" if result.asked else str(result.counted),
                str(result.void),
                _completed(result),
                _estimate(result.median, f"over {result.limit_s:g}") if result.counted and not result.soak else NONE,
                _number(result.p90),
                _estimate(result.restricted_mean),
                _number(result.control_packets),
                _number(result.cost),
                _number(result.ack_packets),
            )
            for result in results
        ],
    )  # fmt: skip


def links(results: Iterable[CellResult]) -> Table:
    """Tabulate what the link did in the cells of ``results``, and the peers' CPU time."""
    return Table(
        "What the link did, counted at the router, and the peers' CPU time",
        ("cell", "lost client → server", "lost server → client", "delay →, ms", "delay ←, ms", "client CPU, s",
         "server CPU, s", "why void"),
        [
            (
                result.cell,
                _percent(result.loss.get("up")),
                _percent(result.loss.get("down")),
                _number(result.delay_ms.get("up")),
                _number(result.delay_ms.get("down")),
                _number(result.cpu.get("client")),
                _number(result.cpu.get("server")),
                "; ".join(f"{reason} ({count})" for reason, count in result.void_reasons.items()) or NONE,
            )
            for result in results
        ],
    )  # fmt: skip


def comparisons(compared: Iterable[Comparison]) -> Table:
    """Tabulate the arms of ``compared`` against the first one."""
    return Table(
        "Against the first arm, by pairs of trials with the same seeds. In brackets: 95 % intervals; p after Holm",
        ("cell", "pairs", "both", "only this", "only first", "neither", "completion, points", "p of that",
         "time, s", "p of the time", "packets, ratio", "p of the packets"),
        [
            (
                comparison.cell,
                str(comparison.pairs),
                str(comparison.both),
                str(comparison.only_this),
                str(comparison.only_first),
                str(comparison.neither),
                _estimate(comparison.rate_difference, scale=100),
                _pvalue(comparison.rate_p_adjusted),
                _estimate(comparison.time_difference),
                _pvalue(comparison.time_p_adjusted),
                _estimate(comparison.packets_ratio),
                _pvalue(comparison.packets_p_adjusted),
            )
            for comparison in compared
        ],
    )  # fmt: skip


def soaks(results: Iterable[CellResult]) -> Table:
    """Tabulate the soaks of ``results``: tunnels that were watched for a long time."""
    return Table(
        "Soaks: all of a cell together",
        ("cell", "soaks", "hours", "pings answered", "outages", "longest, s", "renegotiations", "failed",
         "ping restarts", "reconnects"),
        [
            (
                result.cell,
                str(result.soak.trials),
                _number(result.soak.seconds / 3600),
                _percent(result.soak.pings_answered / result.soak.pings_sent if result.soak.pings_sent else None),
                str(result.soak.outages),
                _number(result.soak.longest_outage),
                str(result.soak.renegotiations),
                str(result.soak.failed_renegotiations),
                str(result.soak.ping_restarts),
                str(result.soak.reconnects),
            )
            for result in results
            if result.soak
        ],
    )  # fmt: skip


def crowds(results: Iterable[CellResult], compared: Iterable[Comparison]) -> Table:
    """Tabulate the crowds of ``results``, and their server's CPU time as ``compared`` with the first arm."""
    ratios = {comparison.cell: comparison.server_cpu_ratio for comparison in compared}
    return Table(
        "Crowds: each client of a cell's trials counts as one. Packets and CPU time are of a trial; the link uml "
        "measures no CPU time. In brackets: 95 % intervals",
        ("cell", "trials", "clients", "completed", "median, s", "90 %, s", "99 %, s", "control →", "ACKs →",
         "control ←", "ACKs ←", "server CPU, s", "against the first arm"),
        [
            (
                result.cell,
                str(result.crowd.trials),
                str(result.crowd.clients),
                str(result.crowd.completed),
                _number(result.crowd.median),
                _number(result.crowd.p90),
                _number(result.crowd.p99),
                *(_number(sent) for way in DIRECTIONS for sent in _sent(result.crowd.opcodes[way])),
                _thousandths(result.crowd.server_cpu),
                _thousandths(ratios.get(result.cell)),
            )
            for result in results
            if result.crowd
        ],
    )  # fmt: skip


def _sent(opcodes: Mapping[str, float]) -> tuple[float, float]:
    return control_of(opcodes), acks_of(opcodes)


def programs(campaign: Campaign) -> Table:
    """Tabulate the openvpn of each side of ``campaign``."""
    return Table(
        "Programs",
        ("arm", "side", "version", "sha256"),
        [
            (arm.name, side, program.version, program.sha256)
            for arm in campaign.arms
            for side, program in (("client", arm.client), ("server", arm.server))
        ],
        words=True,
    )


def scenarios(campaign: Campaign, results: Results) -> Table:
    """Tabulate the scenarios of ``campaign`` that ``results`` has cells of."""
    used = {result.scenario for result in [*results.cells, *results.reference]}
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


def trials(of_cell: Sequence[Trial], most: int | None = None) -> Table:
    """Tabulate the trials ``of_cell``, at ``most`` so many, and the commands that repeat them.

    Where there are more, those that crashed, hung or are void come first, then those with the lowest numbers.
    """
    shown = list(of_cell)
    if most is not None and len(shown) > most:
        odd = [trial for trial in of_cell if trial.outcome in ("crash", "hang", "void")][:most]
        chosen = {trial.trial for trial in odd}
        others = [trial for trial in of_cell if trial.trial not in chosen][: most - len(odd)]
        shown = sorted([*odd, *others], key=lambda trial: trial.trial)
    return Table(
        "Each trial, and how to repeat it"
        if len(shown) == len(of_cell)
        else f"{len(shown)} of {len(of_cell)} trials, those that crashed, hung or are void first, and how to repeat "
        "one; trials.jsonl has all",
        ("trial", "outcome", "seconds", "control packets", "ACKs", "lost →", "lost ←", "seed", "repeat"),
        [
            (
                str(trial.trial),
                trial.outcome + (f": {trial.detail}" if trial.detail else ""),
                NONE if trial.seconds is None else f"{trial.seconds:.3f}",
                str(trial.control_packets),
                str(trial.ack_packets),
                *(f"{trial.traffic[way].dropped}/{trial.traffic[way].sent}" if way in trial.traffic else NONE
                  for way in ("up", "down")),
                str(trial.seed),
                replay(trial.cell, trial.trial),
            )
            for trial in shown
        ],
    )  # fmt: skip


def replay(cell: str, trial: int | str) -> str:
    """Write the command that repeats ``trial`` of ``cell``; REPORT is the report's folder."""
    return f"patchkit lab replay REPORT --cell {shlex.quote(cell)} --trial {trial}"


def _completed(result: CellResult) -> str:
    if not result.rate:
        return NONE
    failed = [f"{count} {outcome}" for outcome, count in (("crash", result.crash), ("hang", result.hang)) if count]
    return f"{_estimate(result.rate, scale=100)} %" + (f", {', '.join(failed)}" if failed else "")


def _estimate(figure: Estimate | None, beyond: str = NONE, scale: float = 1.0) -> str:
    if figure is None:
        return beyond
    if figure.low is None:
        return _number(scale * figure.value)
    high = beyond if figure.high is None else _number(scale * figure.high)
    return f"{_number(scale * figure.value)} ({_number(scale * figure.low)} to {high})"


def _thousandths(figure: Estimate | None) -> str:
    """Write ``figure`` with three decimals, for what hardly differs from trial to trial."""
    if figure is None:
        return NONE
    between = "" if figure.low is None or figure.high is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{between}"


def _percent(share: float | None) -> str:
    return _number(share if share is None else 100 * share, "{} %")


def _number(value: float | None, form: str = "{}") -> str:
    """Write ``value`` with three digits, or all those before the point."""
    if value is None:
        return NONE
    size = abs(value)
    text = f"{value:.0f}" if size >= 100 or not size else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
    return form.format(text if size >= 1 or not size else f"{value:.2g}").replace("-", "\N{MINUS SIGN}")


def _pvalue(value: float | None) -> str:
    return NONE if value is None else pvalue(value)

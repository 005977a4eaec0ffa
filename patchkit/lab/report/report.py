"""The report: a summary in Markdown for a CI's page, and one HTML page without other files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from patchkit.json_schema import Part
from patchkit.lab.model.campaign import Campaign, Cell
from patchkit.lab.model.trial import Trial
from patchkit.lab.report import tables
from patchkit.lab.report.lead import lead
from patchkit.lab.report.page import marked, page, pipes
from patchkit.lab.report.tables import Table
from patchkit.lab.results.results import Results, by_cell, first_cell
from patchkit.lab.statistics.restricted_time import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

_LISTED = 2000
"""Trials in the page; a campaign with more has them all in trials.jsonl."""
_LISTED_LEAST = 5  # of each cell
_PLOTS = 16
"""Plots in the page, of up to 130 kB each; with more, those of the scenarios that come last are left out."""
TEMPLATE = Path(__file__).with_name("report.html.j2")


class Timing(Part):
    """How long a campaign took, which differs from run to run and is not part of the results."""

    guest_seconds: float = Field(
        ge=0, le=1e12, allow_inf_nan=False, description="all trials together, on the guests' clocks"
    )
    wall_seconds: float = Field(
        ge=0, le=1e12, allow_inf_nan=False, description="all trials together, for the user who waited"
    )
    jobs: int = Field(ge=0, le=10**6, description="trials at a time")

    @property
    def guest_per_wall(self) -> float | None:
        """Guest seconds per wall second; None when no time has passed."""
        return self.guest_seconds / self.wall_seconds if self.wall_seconds else None


def markdown(campaign: Campaign, results: Results, timing: Timing) -> str:
    """Write the summary of ``results`` of ``campaign`` in Markdown, as GitHub renders it."""
    out = [summary(_title(campaign), results, lead(campaign, results))]
    out += [*(marked(line) for line in _circumstances(campaign, timing)), "", "To repeat a trial:", ""]
    out += ["```", "patchkit lab replay REPORT --cell CELL --trial K", "```", ""]
    return "\n".join(out)


def summary(title: str, results: Results, opening: str = "") -> str:
    """Write what ``results`` show, below ``title`` and the sentence ``opening``, in Markdown."""
    out = [f"## {marked(title)}", "", *([marked(opening), ""] if opening else [])]
    for headline, grounds, _ in _verdicts(results):
        out.append(f"- **{marked(headline)}** {marked(grounds)}".rstrip())
    out += _pipes(tables.cells(results.cells))
    if results.comparisons:
        out += _pipes(tables.comparisons(results.comparisons))
    for table in (tables.soaks(results.cells), tables.crowds(results.cells, results.comparisons)):
        if table.rows:
            out += _pipes(table)
    return "\n".join([*out, ""])


def html(campaign: Campaign, trials: Sequence[Trial], results: Results, timing: Timing) -> str:
    """Write the page of ``results`` and all ``trials`` of ``campaign``. Raises ReportError as ``by_cell`` does."""
    trials_of = by_cell(campaign, trials)
    everything = [*results.cells, *results.reference]
    special = tables.soaks(results.cells), tables.crowds(everything, results.comparisons)
    most = None if len(trials) <= _LISTED else max(_LISTED_LEAST, _LISTED // len(trials_of))
    groups, left_out = _groups(campaign, trials_of)
    return page(
        TEMPLATE,
        title=_title(campaign),
        lead=lead(campaign, results),
        verdicts=_verdicts(results),
        tables=[
            tables.cells(everything),
            *([tables.comparisons(results.comparisons)] if results.comparisons else []),
            *(table for table in special if table.rows),
        ],
        groups=groups,
        plots_left_out=left_out,
        circumstances=_circumstances(campaign, timing),
        setting=[tables.links(everything), tables.scenarios(campaign, results), tables.programs(campaign)],
        trials=[
            (cell.id, len(trials_of[cell.id]), tables.trials(trials_of[cell.id], most))
            for cell in [*campaign.cells, *campaign.reference]
        ],
        tests=results.tests,
    )  # fmt: skip


def _title(campaign: Campaign) -> str:
    names = [arm.name for arm in campaign.arms]
    return f"{', '.join(names[1:])} against {names[0]}" if len(names) > 1 else ", ".join(names) or "No arms"


def _verdicts(results: Results) -> list[tuple[str, str, str]]:
    """List the headlines, each with the figures that it is based on and its tone."""
    return [
        (
            comparison.headline,
            comparison.verdict.removeprefix(comparison.headline).strip(),
            _tone(comparison.completion, comparison.time),
        )
        for comparison in results.comparisons
    ]


def _tone(completion: str, time: str) -> str:
    claims = {completion, time} - {"no difference shown"}
    return claims.pop() if len(claims) == 1 else "mixed" if claims else "none"


_WHERE = {
    "uml": "in User-Mode Linux, on a clock that stands still while anything computes",
    "qemu": "in a virtual machine",
    "netns": "in network namespaces of the host",
}


def _circumstances(campaign: Campaign, timing: Timing) -> list[str]:
    link = campaign.machine
    where = _WHERE[link.link]
    priced = f" (configuration {link.config}, {link.syscall_ns} ns a system call)" if link.syscall_ns else ""
    qemu = f", QEMU {link.qemu}" if link.qemu else ""
    speed = timing.guest_per_wall
    part = f"{campaign.shard} of the campaign: ".capitalize() if campaign.shard else ""
    return [
        f"{part}patchkit {campaign.patchkit}, seed {campaign.seed}, {campaign.trials} trials a cell, {where}{qemu}, "
        f"netem of kernel {link.kernel}{priced}, guest {link.guest}.",
        f"{timing.guest_seconds:.0f} guest seconds in {timing.wall_seconds:.0f} s with {timing.jobs} at a time"
        + (f": {speed:.1f} guest seconds a second." if speed is not None else "."),
    ]


_Group = tuple[str, list[tuple[str, str]]]


def _groups(campaign: Campaign, trials: Mapping[str, Sequence[Trial]]) -> tuple[list[_Group], int]:
    """Draw the plots of each scenario and kind of credentials: a heading, and plots with their captions.

    Also returns how many plots were left out, because the page has so many.
    """
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in campaign.cells:
        groups.setdefault((cell.scenario, cell.credentials), []).append(cell)
    out: list[_Group] = []
    room, left_out = _PLOTS, 0
    for number, ((scenario, credentials), cells) in enumerate(groups.items()):
        if any(counted(trials[cell.id]) for cell in cells):
            heading = f"{scenario}, {credentials}: {campaign.scenarios[scenario].summary}"
            drawings = _plots(campaign, cells, trials, f"p{number}")
            drawn = [drawing() for drawing in drawings[:room]]
            left_out += len(drawings) - len(drawn)
            room -= len(drawn)
            if drawn:
                out.append((heading, drawn))
    return out, left_out


def _plots(
    campaign: Campaign, cells: Sequence[Cell], trials: Mapping[str, Sequence[Trial]], name: str
) -> list[Callable[[], tuple[str, str]]]:
    """List the plots of ``cells``, of one scenario, each a function that draws it and returns it with its caption."""
    from patchkit.lab.report import plots

    scenario = campaign.scenarios[cells[0].scenario]
    limit = scenario.longest_s
    arms = {cell.arm: counted(trials[cell.id]) for cell in cells}
    out: list[Callable[[], tuple[str, str]]] = []
    if scenario.run != "soak":
        out.append(lambda: _drawn(
            plots.completion(arms, limit, f"{name}-time"),
            "How many have completed, over time. The bands are 95 % intervals, for each time by itself.",
        ))  # fmt: skip
    out.append(lambda: _drawn(
        plots.packets(arms, f"{name}-packets"),
        f"Control packets sent, {plots.points_of(arms)}. The box is the middle half, its bar the median, its whiskers "
        "reach from 5 to 95 %.",
    ))  # fmt: skip
    for number, cell in enumerate(cells):
        first = first_cell(campaign, cell)
        if first is None or scenario.run == "soak":
            continue
        partners = {trial.trial: trial for trial in arms[first.arm]}
        both = [(partners[trial.trial], trial) for trial in arms[cell.arm] if trial.trial in partners]
        if both:
            out.append(partial(_pairs, first.arm, cell.arm, both, limit, f"{name}-pairs{number}"))
    return out


def _pairs(first: str, other: str, both: Sequence[tuple[Trial, Trial]], limit: float, name: str) -> tuple[str, str]:
    from patchkit.lab.report import plots

    shown = f" ({plots.POINTS} of {len(both)} pairs)" if len(both) > plots.POINTS else ""
    return _drawn(
        plots.pairs(first, other, both, limit, name),
        f"Pairs of trials with the same seeds{shown}. Below the diagonal {other} was faster; on the edge an arm "
        f"did not complete within {limit:g} s.",
    )


def _drawn(svg: str, caption: str) -> tuple[str, str]:
    from markupsafe import Markup

    return Markup(svg), caption  # noqa: S704 - plots escape what they are given


def _pipes(table: Table) -> list[str]:
    return ["", f"{marked(table.caption)}:", "", *pipes(table.head, table.rows)]

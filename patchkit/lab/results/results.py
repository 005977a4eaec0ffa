"""``results.json``: what a campaign's trials show. The field descriptions become docs/report.md.

It holds no date and no wall time, and trials may come in any order: the same trials give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Literal

from pydantic import Field

from patchkit.errors import ReportError
from patchkit.json_schema import Part
from patchkit.lab.model.campaign import Campaign, Cell
from patchkit.lab.model.scenario import Scenario
from patchkit.lab.model.trial import Trial
from patchkit.lab.results.cell import CellResult, cell_result
from patchkit.lab.results.comparison import Comparison, comparison, pairs
from patchkit.lab.results.figures import Figure
from patchkit.lab.statistics.intervals import CONFIDENCE, holm


class Results(Part):
    """What the trials show."""

    schema_version: Literal[1] = Field(default=1, description="goes up when a field changes its meaning or goes away")
    confidence: Figure = Field(default=CONFIDENCE, description="of every interval, each for itself")
    tests: int = Field(description="how many p-values there are, and each is adjusted for")
    cells: list[CellResult] = Field(description="in the campaign's order")
    reference: list[CellResult] = Field(description="the lossless cells that packets are compared with")
    comparisons: list[Comparison] = Field(description="in the order of their cells")


def by_cell(campaign: Campaign, trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """The trials of every cell, by number. Raises ReportError for what is another campaign's."""
    found: dict[str, dict[int, Trial]] = {cell.id: {} for cell in [*campaign.cells, *campaign.reference]}
    for trial in trials:
        if trial.cell not in found:
            raise ReportError(f"the campaign has no cell {trial.cell}", why="its trials are another campaign's")
        if found[trial.cell].setdefault(trial.trial, trial) != trial:
            raise ReportError(
                f"trial {trial.trial} of {trial.cell} is there twice", why="and the two do not show the same"
            )
    return {cell: [numbered[number] for number in sorted(numbered)] for cell, numbered in found.items()}


def results(campaign: Campaign, trials: Sequence[Trial]) -> Results:
    """What they show. Any of them may be missing. Raises ReportError for trials of another campaign."""
    found = by_cell(campaign, trials)
    compared = [
        pairs(cell, first, found[cell.id], found[first.id], campaign.scenarios[cell.scenario].longest_s)
        for cell in campaign.cells
        if (first := first_cell(campaign, cell)) is not None
    ]
    tests = sum(len(one.pvalues) for one in compared)
    adjusted = iter(holm([pvalue for one in compared for pvalue in one.pvalues]))
    return Results(
        tests=tests,
        cells=[
            cell_result(
                cell, campaign.scenarios[cell.scenario], found[cell.id], campaign.trials,
                reference(campaign, cell, found),
            )
            for cell in campaign.cells
        ],
        reference=[
            cell_result(cell, campaign.scenarios[cell.scenario], found[cell.id], None, None)
            for cell in campaign.reference
        ],
        comparisons=[
            comparison(one, [next(adjusted) for _ in one.pvalues], tests, campaign.trials) for one in compared
        ],
    )  # fmt: skip


def first_cell(campaign: Campaign, cell: Cell) -> Cell | None:
    """The first arm's cell of the same scenario and credentials; None for the first arm itself."""
    if not campaign.arms or cell.arm == campaign.arms[0].name:
        return None
    wanted = (campaign.arms[0].name, cell.scenario, cell.credentials)
    return next((one for one in campaign.cells if (one.arm, one.scenario, one.credentials) == wanted), None)


def reference(campaign: Campaign, cell: Cell, trials: Mapping[str, Sequence[Trial]]) -> tuple[str, float] | None:
    """The first arm's lossless cell that is like this one but for the link, and its completed trials' mean of packets.

    One with the same delays is taken first: beyond the retransmit timer, even a lossless link makes packets repeat.
    """
    scenario = campaign.scenarios[cell.scenario]
    if scenario.run != "handshake" or not campaign.arms:
        return None
    alike = [
        one
        for one in campaign.reference
        if (one.arm, one.credentials) == (campaign.arms[0].name, cell.credentials)
        and _peers(campaign.scenarios[one.scenario]) == _peers(scenario)
    ]
    alike.sort(key=lambda one: _delays(campaign.scenarios[one.scenario]) != _delays(scenario))
    for one in alike:
        packets = [trial.control_packets for trial in trials[one.id] if trial.outcome == "completed"]
        if packets and fmean(packets):
            return one.id, fmean(packets)
    return None


def _peers(scenario: Scenario) -> tuple[object, ...]:
    """What the two peers are told, whatever the link."""
    return (
        scenario.clients, scenario.spread_s, scenario.topology, scenario.wrap, scenario.max_packet_size,
        scenario.client_options, scenario.server_options,
    )  # fmt: skip


def _delays(scenario: Scenario) -> tuple[float, float]:
    return scenario.up.delay_ms, scenario.down.delay_ms

"""``results.json``: the results of a campaign's trials. The field descriptions become docs/report.md.

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
from patchkit.lab.results.comparison import Comparison, comparison, paired
from patchkit.lab.results.figures import Figure
from patchkit.lab.statistics.intervals import CONFIDENCE, holm
from patchkit.lab.statistics.large_sample import formulas


class Results(Part):
    """The results of a campaign."""

    schema_version: Literal[1] = Field(default=1, description="goes up when a field changes its meaning or goes away")
    confidence: Figure = Field(default=CONFIDENCE, description="of every interval, each for itself")
    tests: int = Field(description="how many p-values there are; each is adjusted for all of them")
    cells: list[CellResult] = Field(description="in the campaign's order")
    reference: list[CellResult] = Field(description="the lossless cells that packets are compared with")
    comparisons: list[Comparison] = Field(description="in the order of their cells")


def by_cell(campaign: Campaign, trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Sort ``trials`` into the cells of ``campaign``, by number.

    Raises ReportError when a trial is another campaign's, or is there twice with different results.
    """
    trials_of: dict[str, dict[int, Trial]] = {cell.id: {} for cell in [*campaign.cells, *campaign.reference]}
    for trial in trials:
        if trial.cell not in trials_of:
            raise ReportError(
                f"the campaign has no cell {trial.cell}",
                why="its trials are another campaign's",
                advice="run the campaign again, with another --out",
            )
        if trials_of[trial.cell].setdefault(trial.trial, trial) != trial:
            raise ReportError(
                f"trial {trial.trial} of {trial.cell} is there twice",
                why="and the two do not show the same",
                advice="run the campaign again, with another --out",
            )
    return {cell: [numbered[number] for number in sorted(numbered)] for cell, numbered in trials_of.items()}


def results(campaign: Campaign, trials: Sequence[Trial]) -> Results:
    """Sum up and compare ``trials`` of ``campaign``; any may be missing. Raises ReportError as ``by_cell`` does."""
    with formulas(len(trials)):
        return _results(campaign, by_cell(campaign, trials))


def _results(campaign: Campaign, trials_of: Mapping[str, Sequence[Trial]]) -> Results:
    compared = [
        paired(cell, first, trials_of[cell.id], trials_of[first.id], campaign.scenarios[cell.scenario].longest_s)
        for cell in campaign.cells
        if (first := first_cell(campaign, cell)) is not None
    ]
    tests = sum(len(pairs.pvalues) for pairs in compared)
    adjusted = iter(holm([pvalue for pairs in compared for pvalue in pairs.pvalues]))
    return Results(
        tests=tests,
        cells=[
            cell_result(
                cell, campaign.scenarios[cell.scenario], trials_of[cell.id], campaign.trials,
                reference(campaign, cell, trials_of),
            )
            for cell in campaign.cells
        ],
        reference=[
            cell_result(cell, campaign.scenarios[cell.scenario], trials_of[cell.id], None, None)
            for cell in campaign.reference
        ],
        comparisons=[
            comparison(pairs, [next(adjusted) for _ in pairs.pvalues], tests, campaign.trials) for pairs in compared
        ],
    )  # fmt: skip


def first_cell(campaign: Campaign, cell: Cell) -> Cell | None:
    """Find the first arm's cell that ``cell`` of ``campaign`` is compared with; None for the first arm itself."""
    if not campaign.arms or cell.arm == campaign.arms[0].name:
        return None
    key = (campaign.arms[0].name, cell.scenario, cell.credentials)
    return next((other for other in campaign.cells if (other.arm, other.scenario, other.credentials) == key), None)


def reference(campaign: Campaign, cell: Cell, trials: Mapping[str, Sequence[Trial]]) -> tuple[str, float] | None:
    """Find the first arm's lossless cell that differs from ``cell`` by its link only, and its mean of control packets.

    The mean is of the completed ones among ``trials``. A cell with the same delays is preferred: beyond the retransmit
    timer, even a lossless link makes packets repeat. None when there is no such cell, or nothing completed in it.
    """
    scenario = campaign.scenarios[cell.scenario]
    if scenario.run != "handshake" or not campaign.arms:
        return None
    alike = [
        lossless
        for lossless in campaign.reference
        if (lossless.arm, lossless.credentials) == (campaign.arms[0].name, cell.credentials)
        and _peers(campaign.scenarios[lossless.scenario]) == _peers(scenario)
    ]
    alike.sort(key=lambda lossless: _delays(campaign.scenarios[lossless.scenario]) != _delays(scenario))
    for lossless in alike:
        packets = [trial.control_packets for trial in trials[lossless.id] if trial.outcome == "completed"]
        if packets and fmean(packets):
            return lossless.id, fmean(packets)
    return None


def _peers(scenario: Scenario) -> tuple[object, ...]:
    """Collect what decides the options of the two peers, whatever the link."""
    return (
        scenario.clients, scenario.spread_s, scenario.topology, scenario.wrap, scenario.proto,
        scenario.max_packet_size, scenario.client_options, scenario.server_options,
    )  # fmt: skip


def _delays(scenario: Scenario) -> tuple[float, float]:
    return scenario.up.delay_ms, scenario.down.delay_ms

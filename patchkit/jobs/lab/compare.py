"""Two campaigns side by side, with the statistics of one: before and after a change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from patchkit.errors import ReportError
from patchkit.jobs.lab.batch import refuse_altered
from patchkit.lab.model.campaign import Arm, Campaign, Cell
from patchkit.lab.model.scenario import Scenario
from patchkit.lab.model.trial import Trial
from patchkit.lab.report.folder import Folder
from patchkit.lab.results.results import Results, results

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Compared:
    """What two campaigns have in common, compared by pairs of trials with the same seeds."""

    campaign: Campaign
    """Two arms, ``before`` and ``after``; a scenario for each scenario and arm that both have."""
    results: Results
    differing: list[str]
    """What else differs between the two, in sentences."""
    alone: list[str]
    """Cells that only one of them has."""


def compare(before: Path, after: Path) -> Compared:
    """Compare the report ``after`` with the report ``before``, cell by cell.

    Raises ReportError where one is not a report, where their seeds differ, or where no cell is in both.
    """
    folders = Folder(before), Folder(after)
    campaigns = folders[0].campaign(), folders[1].campaign()
    if campaigns[0].seed != campaigns[1].seed:
        raise ReportError(
            f"{before} and {after} did not meet the same losses",
            why=f"seed {campaigns[0].seed} and seed {campaigns[1].seed}",
            advice=f"run one of them with --seed {campaigns[0].seed}",
        )
    measured = [folder.trials() for folder in folders]
    for folder, campaign, trials_there in zip(folders, campaigns, measured, strict=True):
        refuse_altered(folder.path, campaign, trials_there)
    cells = [{cell.id: cell for cell in campaign.cells} for campaign in campaigns]
    common = [name for name in cells[0] if name in cells[1] and _same_scenario(*campaigns, cells[0][name])]
    if not common:
        raise ReportError(
            f"{before} and {after} have no cell in common",
            why=f"{', '.join(cells[0])}\n{', '.join(cells[1])}",
            advice="a cell is an arm, a scenario and credentials: all three must be the same",
        )
    joined = _joined(campaigns[0], [cells[0][name] for name in common])
    trials = [
        renamed
        for arm, own in zip((BEFORE, AFTER), measured, strict=True)
        for trial in own
        if (renamed := _renamed(trial, arm, common)) is not None
    ]
    return Compared(
        campaign=joined,
        results=results(joined, trials),
        differing=_differing(*campaigns),
        alone=sorted(set(cells[0]) ^ set(cells[1]) | (set(cells[0]) & set(cells[1])) - set(common)),
    )


def _same_scenario(before: Campaign, after: Campaign, cell: Cell) -> bool:
    return before.scenarios[cell.scenario] == after.scenarios.get(cell.scenario)


def _joined(before: Campaign, cells: list[Cell]) -> Campaign:
    """Lay out a campaign of two arms; what was a cell is a scenario with its name."""
    scenarios: dict[str, Scenario] = {cell.id: before.scenarios[cell.scenario] for cell in cells}
    some = before.arms[0]
    return before.model_copy(
        update={
            "arms": [Arm(name=name, client=some.client, server=some.server) for name in (BEFORE, AFTER)],
            "scenarios": scenarios,
            "cells": [
                Cell(id=f"{name}/{cell.id}", arm=name, scenario=cell.id, credentials=cell.credentials)
                for cell in cells
                for name in (BEFORE, AFTER)
            ],
            "reference": [],
        }
    )


def _renamed(trial: Trial, arm: str, common: list[str]) -> Trial | None:
    return trial.model_copy(update={"cell": f"{arm}/{trial.cell}"}) if trial.cell in common else None


def _differing(before: Campaign, after: Campaign) -> list[str]:
    out = []
    if before.machine != after.machine:
        out.append(f"the links differ: {_link(before)}, then {_link(after)}")
    if before.patchkit != after.patchkit:
        out.append(f"the versions of patchkit differ: {before.patchkit}, then {after.patchkit}")
    programs = {arm.name: (arm.client.sha256, arm.server.sha256) for arm in before.arms}
    changed = [arm.name for arm in after.arms if programs.get(arm.name, arm) != (arm.client.sha256, arm.server.sha256)]
    changed = [name for name in changed if name in programs]
    if changed:
        out.append(f"the programs differ: {', '.join(changed)}")
    return out


def _link(campaign: Campaign) -> str:
    link = campaign.machine
    return f"{link.link}, kernel {link.kernel}, guest {link.guest[:12]}"

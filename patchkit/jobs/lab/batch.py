"""A batch: the trials of one cell that one guest runs, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from patchkit.errors import ReportError
from patchkit.jobs.lab.links import Link
from patchkit.lab.link.binaries import Binary
from patchkit.lab.link.netem_rules import derived
from patchkit.lab.link.runner_order import Turn, order
from patchkit.lab.model.campaign import Arm, Campaign, Cell
from patchkit.lab.model.trial import Trial
from patchkit.lab.observe.trial_from_run import observed
from patchkit.lab.report.folder import TRIALS


def seed_of(campaign: Campaign, trial: int) -> int:
    """Return the seed of ``trial``: it depends on the number alone, so that every arm meets the same losses."""
    return derived(campaign.seed, "trial", trial)


def refuse_altered(path: Path, campaign: Campaign, trials: Iterable[Trial]) -> None:
    """Raise ReportError where one of ``trials``, of the report in ``path``, has another seed than its number gives."""
    seeds: dict[int, int] = {}
    for trial in trials:
        seed = seeds.setdefault(trial.trial, seed_of(campaign, trial.trial))
        if trial.seed != seed:
            raise ReportError(
                f"{path / TRIALS} is damaged",
                why=f"trial {trial.trial} of {trial.cell} has the seed {trial.seed}, and not {seed}",
                advice="run the campaign again, with another --out",
            )


def run_batch(
    campaign: Campaign, cell: Cell, last: int, pair: tuple[Binary, Binary], link: Link, loud: Turn | None = None
) -> list[tuple[Trial, dict[str, bytes]]]:
    """Run the batch that trial ``last`` of ``cell`` belongs to, up to that trial; return each trial with its files.

    ``pair`` are the client and the server; ``loud`` says what is kept of the last trial, where that is more than
    usual. Raises what the link raises.
    """
    client, server = pair
    scenario = arm_of(campaign, cell).over(cell.scenario, campaign.scenarios[cell.scenario])
    size = campaign.machine.shift
    numbers = range(first_of_batch(last, size), first_of_batch(last, size) + size)
    count = last + 1 - numbers[0]
    turns = [Turn(seed_of(campaign, number)) for number in numbers]
    if loud is not None:
        turns[count - 1] = replace(loud, seed=turns[count - 1].seed)
    runner_order = order(scenario, client.version, server.version, turns, count=count)
    outputs = link.run(client, server, cell.credentials, runner_order, scenario)
    return [
        (observed(cell.id, number, turn.seed, scenario, output.outcome, output.parts), output.parts)
        for number, turn, output in zip(numbers[:count], turns[:count], outputs, strict=True)
    ]


@dataclass(frozen=True)
class FinishedTrial:
    """A trial, and the logs of a peer that died or hung, which are evidence."""

    trial: Trial
    logs: Mapping[str, str]
    """By name."""


def finished_trials(
    campaign: Campaign, cell: Cell, numbers: Sequence[int], pair: tuple[Binary, Binary], link: Link
) -> list[FinishedTrial]:
    """Run the trials ``numbers``, of one batch of ``cell``, and those that the machine has to run before them.

    Returns those of ``numbers``. Raises what the link raises.
    """
    wanted = set(numbers)
    return [
        FinishedTrial(trial, _logs(parts))
        for trial, parts in run_batch(campaign, cell, max(numbers), pair, link)
        if trial.trial in wanted
    ]


def _logs(parts: Mapping[str, bytes]) -> dict[str, str]:
    return {name: data.decode(errors="replace") for name, data in parts.items() if name.endswith(".log")}


def first_of_batch(trial: int, size: int) -> int:
    """Return the first of the ``size`` trials of the batch of ``trial``: what one leaves behind may move the next."""
    return (trial - 1) // size * size + 1


def batches(missing: Sequence[tuple[Cell, int]], size: int) -> list[tuple[Cell, list[int]]]:
    """Group the ``missing`` trials by batches of ``size``, in the order of the first trial of each."""
    by_batch: dict[tuple[str, int], tuple[Cell, list[int]]] = {}
    for cell, number in missing:
        by_batch.setdefault((cell.id, first_of_batch(number, size)), (cell, []))[1].append(number)
    return list(by_batch.values())


def arm_of(campaign: Campaign, cell: Cell) -> Arm:
    """Return the arm of ``cell``."""
    return next(arm for arm in campaign.arms if arm.name == cell.arm)

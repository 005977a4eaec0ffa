"""A batch: the trials of one cell that the same machine runs, one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from patchkit.jobs.lab.links import BATCH_SIZE, Link
from patchkit.lab.link.binaries import Binary
from patchkit.lab.link.netem_rules import derived
from patchkit.lab.link.runner_order import Turn, order
from patchkit.lab.model.campaign import Arm, Campaign, Cell
from patchkit.lab.model.trial import Trial
from patchkit.lab.observe.trial_from_run import observed


def seed_of(todo: Campaign, trial: int) -> int:
    """A trial's seed: of its number alone, so that every arm meets the same losses."""
    return derived(todo.seed, "trial", trial)


def run_batch(
    todo: Campaign, cell: Cell, last: int, pair: tuple[Binary, Binary], link: Link, loud: Turn | None = None
) -> list[tuple[Trial, dict[str, bytes]]]:
    """A machine's trials up to number ``last``. ``loud`` is what the last one is kept of, if not as usual."""
    client, server = pair
    scenario = todo.scenarios[cell.scenario]
    numbers = range(first_of_batch(last), first_of_batch(last) + BATCH_SIZE)
    count = last + 1 - numbers[0]
    turns = [Turn(seed_of(todo, number)) for number in numbers]
    if loud is not None:
        turns[count - 1] = replace(loud, seed=turns[count - 1].seed)
    asked = order(scenario, client.version, server.version, turns, count=count)
    ran = link.run(client, server, cell.credentials, asked, scenario)
    return [
        (observed(cell.id, number, turn.seed, scenario, one.outcome, one.parts), one.parts)
        for number, turn, one in zip(numbers[:count], turns[:count], ran, strict=True)
    ]


def first_of_batch(trial: int) -> int:
    """The first trial that the same machine runs: what one leaves behind moves the next by some microseconds."""
    return (trial - 1) // BATCH_SIZE * BATCH_SIZE + 1


def batches(missing: Sequence[tuple[Cell, int]]) -> list[tuple[Cell, list[int]]]:
    """What is missing, by machine, in the order of what is missing first."""
    batches: dict[tuple[str, int], tuple[Cell, list[int]]] = {}
    for cell, number in missing:
        batches.setdefault((cell.id, first_of_batch(number)), (cell, []))[1].append(number)
    return list(batches.values())


def arm_of(todo: Campaign, cell: Cell) -> Arm:
    """The arm that a cell is of."""
    return next(one for one in todo.arms if one.name == cell.arm)

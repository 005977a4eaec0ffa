"""The results of a cell in which many clients connected to one server."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from pydantic import Field

from patchkit.json_schema import Part
from patchkit.lab.model.trial import DIRECTIONS, Direction, Trial
from patchkit.lab.results.figures import Estimate, Figure, estimate
from patchkit.lab.statistics.intervals import mean_interval
from patchkit.lab.statistics.survival import quantile, survival


class CrowdSum(Part):
    """All crowds of a cell, summed up: each client of each trial counts as one."""

    trials: int = Field(description="trials with a crowd in them")
    clients: int = Field(description="clients that were started, in all of them")
    completed: int = Field(description="those that were done within the limit")
    median: Figure | None = Field(
        description="seconds until half of the clients were done, each from when it began to send (Kaplan-Meier; no "
        "interval: clients of one trial meet on one link); null when the limit came first"
    )
    p90: Figure | None = Field(description="seconds until 90 % were; null when the limit came first")
    p99: Figure | None = Field(description="seconds until 99 % were; null when the limit came first")
    server_cpu: Estimate | None = Field(
        description="CPU seconds of the server a trial, on the guest's clock, mean (as restricted_mean)"
    )
    opcodes: dict[Direction, dict[str, Figure]] = Field(
        description="packets sent a trial by opcode, mean: up is what all clients sent, down what the server did"
    )


def crowd_sum(trials: Sequence[Trial], limit: float) -> CrowdSum | None:
    """Sum up the crowds of ``trials`` that count, with a ``limit`` in seconds; None when they are not crowds."""
    crowds = [(trial, trial.crowd) for trial in trials if trial.crowd]
    if not crowds:
        return None
    durations = [seconds for _, crowd in crowds for seconds in crowd.seconds]
    completion = survival(
        [limit if seconds is None else min(seconds, limit) for seconds in durations],
        [seconds is not None for seconds in durations],
    )
    cpu = [trial.cpu["server"] for trial, _ in crowds if "server" in trial.cpu]
    return CrowdSum(
        trials=len(crowds),
        clients=sum(crowd.clients for _, crowd in crowds),
        completed=sum(crowd.completed for _, crowd in crowds),
        median=quantile(completion, 0.5).value,
        p90=quantile(completion, 0.9).value,
        p99=quantile(completion, 0.99).value,
        server_cpu=estimate(fmean(cpu), mean_interval(cpu)) if cpu else None,
        opcodes={direction: _opcodes(trials, direction) for direction in DIRECTIONS},
    )


def _opcodes(trials: Sequence[Trial], direction: Direction) -> dict[str, float]:
    counts = [trial.traffic[direction].opcodes for trial in trials if direction in trial.traffic]
    names = sorted({name for opcodes in counts for name in opcodes})
    return {name: fmean(opcodes.get(name, 0) for opcodes in counts) for name in names}

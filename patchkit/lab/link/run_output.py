"""The runner's answer, trial by trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from patchkit.lab.runner.answer import unpacked
from patchkit.lab.runner.task import LAST


@dataclass(frozen=True)
class RunOutput:
    """The runner's output of one trial."""

    outcome: dict[str, object]
    parts: dict[str, bytes]


def count_of(order: Mapping[str, object]) -> int:
    """Count the trials of ``order`` that the runner has to run."""
    wishes = order["wishes"]
    last = [number for number, wish in enumerate(wishes, start=1) if wish & LAST] if isinstance(wishes, list) else []
    return last[0] if last else 0


def run_outputs(answer: bytes, order: Mapping[str, object]) -> list[RunOutput]:
    """Unpack the runner's ``answer`` to ``order``, one output per trial.

    Raises ValueError when the answer is damaged or has another number of trials.
    """
    outputs = [RunOutput(outcome, parts) for outcome, parts in unpacked(answer)]
    if len(outputs) != count_of(order):
        raise ValueError(f"{len(outputs)} trials were answered")
    return outputs

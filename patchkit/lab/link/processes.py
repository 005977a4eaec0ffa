"""What all links have in common: the runner's output, and how their processes are stopped. Standard library only."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
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


class ProcessGroups:
    """The process groups of a link that are running: ^C ends all of them, whichever thread waits for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._stopped = False

    def add(self, group: int) -> None:
        """Add the process group ``group``; after ``stop``, kill it."""
        with self._lock:
            self._groups.add(group)
            if self._stopped:
                _kill(group)

    def remove(self, group: int) -> None:
        """Remove the process group ``group``, which has ended."""
        with self._lock:
            self._groups.discard(group)

    def stop(self) -> None:
        """Kill all groups, and each one that is added later."""
        with self._lock:
            self._stopped = True
            for group in self._groups:
                _kill(group)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):  # it has just ended by itself, and was not removed yet
        os.killpg(group, signal.SIGKILL)

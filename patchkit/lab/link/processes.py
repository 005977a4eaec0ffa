"""What both kinds of link give back, and how all of them are stopped. Python's own library is enough for it."""

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
class Ran:
    """What the runner gave back of one trial."""

    outcome: dict[str, object]
    parts: dict[str, bytes]


def count_of(order: Mapping[str, object]) -> int:
    """How many of an order's trials are to be run."""
    wishes = order["wishes"]
    last = [number for number, wish in enumerate(wishes, start=1) if wish & LAST] if isinstance(wishes, list) else []
    return last[0] if last else 0


def answers(data: bytes, order: Mapping[str, object]) -> list[Ran]:
    """One for each of the order's trials. Raises ValueError."""
    found = [Ran(outcome, parts) for outcome, parts in unpacked(data)]
    if len(found) != count_of(order):
        raise ValueError(f"{len(found)} trials were answered")
    return found


class Alive:
    """The machines that are at work: ^C ends them all, wherever their threads are waiting."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._stopped = False

    def add(self, group: int) -> None:
        with self._lock:
            self._groups.add(group)
            if self._stopped:
                _kill(group)

    def remove(self, group: int) -> None:
        with self._lock:
            self._groups.discard(group)

    def stop(self) -> None:
        """Kill them all, and whatever begins later."""
        with self._lock:
            self._stopped = True
            for group in self._groups:
                _kill(group)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):  # it has just ended by itself, and nobody has said so yet
        os.killpg(group, signal.SIGKILL)

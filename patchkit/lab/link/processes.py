"""The processes of a link, and how all of them are stopped at once."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress


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

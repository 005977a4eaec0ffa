"""How much of the machine this process may use."""

from __future__ import annotations

import os


def cores() -> int:
    """Return how many processor cores this process may use, of those that the machine has."""
    return len(os.sched_getaffinity(0))

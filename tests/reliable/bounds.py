"""How many control packets a variant may send."""

from __future__ import annotations

from patchkit.patching.variants import Bound
from tests.reliable.harness import Run

STORMS = {"retransmit"}
"""Kept as it was published: while the window is full it sends all of it again for each packet that comes in."""


def most(bound: Bound, run: Run, *, ends: int) -> float:
    """The control packets that a variant's patch.toml allows for a run; docs/variants.md derives it."""
    return bound.copies * run.needed + bound.per_second * ends * run.ms / 1000

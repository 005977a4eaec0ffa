"""Trials as numbers for statistics: times up to the limit."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.lab.model.trial import Trial
from patchkit.lab.statistics.survival import Curve, survival


def restricted(trial: Trial, limit: float) -> float:
    """Return the time of ``trial`` up to ``limit``: a trial that did not complete, for any reason, counts as the limit.

    The time of a soak is that without the tunnel.
    """
    if trial.outcome == "completed" and trial.soak is not None:
        return min(trial.soak.down_seconds, limit)
    completed = trial.outcome == "completed" and trial.seconds is not None
    return min(trial.seconds or 0.0, limit) if completed else limit


def counted(trials: Sequence[Trial]) -> list[Trial]:
    """Leave out the void ones of ``trials``."""
    return [trial for trial in trials if trial.outcome != "void"]


def curve(trials: Sequence[Trial], limit: float) -> Curve:
    """Estimate how many of ``trials`` have not completed yet, over time up to ``limit``; needs at least one trial."""
    return survival([restricted(trial, limit) for trial in trials], [trial.outcome == "completed" for trial in trials])

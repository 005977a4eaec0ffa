"""Trials as the numbers that statistics are made of."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.lab.model.trial import Trial
from patchkit.lab.statistics.survival import Curve, survival


def restricted(trial: Trial, limit: float) -> float:
    """Its time up to the limit: whatever did not complete, for whatever reason, counts as the limit.

    Of a soak, the time without the tunnel.
    """
    if trial.outcome == "completed" and trial.soak is not None:
        return min(trial.soak.down_seconds, limit)
    done = trial.outcome == "completed" and trial.seconds is not None
    return min(trial.seconds or 0.0, limit) if done else limit


def counted(trials: Sequence[Trial]) -> list[Trial]:
    """All but the void ones."""
    return [trial for trial in trials if trial.outcome != "void"]


def curve(trials: Sequence[Trial], limit: float) -> Curve:
    """How many have not completed yet, over time; of at least one trial that counts."""
    return survival([restricted(trial, limit) for trial in trials], [trial.outcome == "completed" for trial in trials])

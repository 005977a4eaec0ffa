"""What became of one release on one target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from patchkit.errors import PatchkitError
from patchkit.jobs.build.release import Outcome


@dataclass(frozen=True)
class ReleaseOutcome:
    """What became of one release on one target."""

    version: str
    target: str
    outcomes: Sequence[Outcome] = ()
    error: PatchkitError | None = None
    """What failed before any variant could be tried."""
    seconds: float = 0.0
    warnings: Sequence[str] = ()
    left_out: PatchkitError | None = None
    """Why it was not tried: this machine can't build for a target that was not asked for by name."""

    @property
    def failure(self) -> PatchkitError | None:
        """The first thing that went wrong."""
        return self.error or next((outcome.error for outcome in self.outcomes if outcome.error), None)

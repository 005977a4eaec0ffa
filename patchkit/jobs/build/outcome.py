"""What became of one variant, and of one release on one target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from patchkit.errors import PatchkitError
from patchkit.packaging import manifest


@dataclass(frozen=True)
class Outcome:
    """What became of one variant, or of one combination of several."""

    variant: str
    artifact: manifest.Artifact | None
    """None where it failed, or where the client of a cluster has it already (``BuildRequest.there``)."""
    error: PatchkitError | None
    seconds: float
    """Wall time of this variant alone; what variants share is not in it."""
    fresh: bool
    """False when the artifact was there already, made from the same inputs."""

    @classmethod
    def failed(cls, variant: str, error: PatchkitError, seconds: float = 0.0) -> Outcome:
        """Return what became of ``variant``, which ``error`` ended."""
        return cls(variant, None, error, seconds, fresh=True)


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

"""The warning that a variant is known to be bad."""

from __future__ import annotations

from patchkit.patching.combination import Combination
from patchkit.ui import Ui


def warn_known_bad(combined: Combination, ui: Ui) -> None:
    """Warn of each part of ``combined`` whose status is known-bad: its diff is there to be looked at, not as a cure."""
    for part in combined.parts:
        if part.status == "known-bad":
            ui.warn(f"{part.name} is known to be bad: patchkit variants {part.name} says why")

"""Figures as they are written into ``results.json``: rounded, and with their interval."""

from __future__ import annotations

from math import isfinite
from typing import Annotated

from pydantic import AfterValidator, Field

from patchkit.json_schema import Part
from patchkit.lab.statistics.intervals import Interval


def _rounded(value: float) -> float:
    """Round ``value`` to six significant digits: more would be noise, and not the same on every processor."""
    if not isfinite(value):
        raise ValueError("not a finite number")
    return float(f"{value:.6g}") + 0.0  # and no minus before zero


Figure = Annotated[float, AfterValidator(_rounded)]


class Estimate(Part):
    """A figure with its 95 % interval."""

    value: Figure = Field(description="what the trials show")
    low: Figure | None = Field(description="from here; null when no interval can be given")
    high: Figure | None = Field(
        description="to here; null when no interval can be given, or when a median's goes beyond the limit. The same "
        "as low when the trials do not differ: then they show nothing about what is rare"
    )


def estimate(value: float, interval: Interval | None) -> Estimate:
    """Write ``value`` with its ``interval``, if it has one."""
    return Estimate(value=value, low=interval.low if interval else None, high=interval.high if interval else None)

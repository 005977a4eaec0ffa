"""Settings that many tests build with."""

from __future__ import annotations

from patchkit.building.settings import BuildSettings

ON_HOST = BuildSettings(engine="host")

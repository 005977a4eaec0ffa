"""Settings that many tests build with."""

from __future__ import annotations

from patchkit.building.settings import BuildSettings

ON_HOST = BuildSettings(engine="host")
SOONER = "--cflag=-O0"
"""For tests of what a build does, rather than of what a compiler makes of it: that takes 2.5 times as long by -O2."""
SOONER_ON_HOST = BuildSettings(engine="host", cflags=["-O0"])

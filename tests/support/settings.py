"""Settings that many tests build with."""

from __future__ import annotations

import os

from patchkit.building.settings import BuildSettings
from tests.support.schedule import NIGHT

ON_HOST = BuildSettings(engine="host")
SOONER_ON_HOST = BuildSettings(engine="host", cflags=[] if NIGHT in os.environ else ["-O0"])
"""For tests of what a build does, rather than of what a compiler makes of it: with -O2 that takes 2.5 times as long.

Without optimisation, _FORTIFY_SOURCE has no effect: not for tests of hostile input. By night all is as it is shipped.
"""
SOONER = [f"--cflag={flag}" for flag in SOONER_ON_HOST.cflags]
"""The same for the command line."""

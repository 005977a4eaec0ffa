"""ccache for what tests compile: objects that were compiled before, by whichever test, are not compiled again.

Builds stay the same to the byte, and so does what a manifest says of the compiler; a test that compares two builds
makes the second one with :func:`cold`. ``PATCHKIT_TESTS_COLD=1`` leaves ccache away altogether.
"""

from __future__ import annotations

import os
from pathlib import Path

CCACHE = Path("/usr/lib/ccache")
"""Where Debian's ccache has a link for each compiler."""
WRAPPERS = Path(__file__).resolve().parent / "ccache"
"""Where this checkout has a script for each compiler that builds call, which makes ccache blind to a build's folder."""


def share_objects() -> None:
    """Put ccache in front of PATH, for this process and all that it starts."""
    if CCACHE.is_dir() and not os.environ.get("PATCHKIT_TESTS_COLD"):
        os.environ["PATH"] = f"{WRAPPERS}:{CCACHE}:{cold()['PATH']}"


def cold() -> dict[str, str]:
    """Return the environment variables with which compilers compile all that they are given."""
    folders = os.environ["PATH"].split(":")
    return {"PATH": ":".join(folder for folder in folders if Path(folder) not in (CCACHE, WRAPPERS))}

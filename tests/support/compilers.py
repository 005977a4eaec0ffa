"""ccache for what tests compile: objects that were compiled before, by whichever test, are not compiled again.

Builds stay the same to the byte, and so does what a manifest says of the compiler; a test that compares two builds
makes the second one with :func:`cold`. ``PATCHKIT_TESTS_COLD=1`` leaves ccache away altogether.
"""

from __future__ import annotations

import os
from pathlib import Path

WRAPPERS = Path("/usr/lib/ccache")
"""Where Debian's ccache has a link for each compiler."""


def share_objects() -> None:
    """Put ccache in front of PATH, for this process and all that it starts."""
    if WRAPPERS.is_dir() and not os.environ.get("PATCHKIT_TESTS_COLD"):
        os.environ["PATH"] = f"{WRAPPERS}:{cold()['PATH']}"


def cold() -> dict[str, str]:
    """Return the environment variables with which compilers compile all that they are given."""
    return {"PATH": ":".join(path for path in os.environ["PATH"].split(":") if Path(path) != WRAPPERS)}

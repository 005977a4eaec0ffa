"""Find the Debian mirrors of this machine, whose pools hold several upstream tarballs byte for byte.

``PATCHKIT_DEBIAN_MIRROR`` names one; otherwise apt's own settings count, so that a site's mirror is used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

_LIMIT = 20  # seconds for apt-get, which takes a tenth of one


@cache
def _uris_by(apt: str) -> tuple[str, ...]:
    """Return the URIs that the program ``apt`` lists. Raises OSError and what subprocess raises: no failure is kept."""
    listing = subprocess.run(
        [apt, "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=True, timeout=_LIMIT,
    )  # fmt: skip
    rows = [line.split(" ", 1) for line in listing.stdout.splitlines() if " " in line]
    return tuple(dict.fromkeys(uri.rstrip("/") for origin, uri in rows if origin == "Debian" and "://" in uri))


def _uris() -> tuple[str, ...]:
    """Return the URIs of the archives in apt's settings, without trailing slashes; none where there is no apt."""
    apt = shutil.which("apt-get")
    try:
        return _uris_by(apt) if apt is not None else ()
    except (OSError, subprocess.SubprocessError):
        return ()  # as on a system without apt: mmdebstrap's own default, and upstream's hosts


def mirrors() -> tuple[str, ...]:
    """Return the base URLs of archives whose ``pool/`` holds Debian's sources, without a trailing slash."""
    named = os.environ.get("PATCHKIT_DEBIAN_MIRROR")
    if named:
        return (named.rstrip("/"),)
    # The security archive has a pool of its own, with another layout.
    return tuple(uri for uri in _uris() if not uri.endswith("-security"))


def sources(suite: str) -> tuple[str, ...]:
    """Return sources.list lines for ``suite`` on this machine's mirrors; empty for a bootstrapper's own default."""
    lines = [f"deb {mirror} {suite} main" for mirror in mirrors()]
    if not os.environ.get("PATCHKIT_DEBIAN_MIRROR"):
        lines += [f"deb {uri} {suite}-security main" for uri in _uris() if uri.endswith("-security")]
    return tuple(lines)

"""The limits of waits that users can set: a variable each, and an option that sets the variable for one run.

The variable is what counts, so that threads and other processes follow it too.
"""

from __future__ import annotations

import os
import re

from patchkit.errors import BadUsageError
from patchkit.printable import in_one_line

BUILD = "PATCHKIT_BUILD_TIMEOUT"
"""The variable with the seconds that one command of a build may take; ``--timeout`` sets it."""
NETWORK = "PATCHKIT_NETWORK_TIMEOUT"
"""The variable with the seconds that git, a server or Docker may send nothing; ``--network-timeout`` sets it."""
LONGER = "--network-timeout SECONDS waits longer"
"""Advice for an error whose limit :func:`silence` gave."""
MOST = 9_999_999
"""Seconds that can be set at most: four months."""
_OPTIONS = {BUILD: "--timeout", NETWORK: "--network-timeout"}


def seconds(variable: str) -> float | None:
    """Return the seconds that ``variable`` states; None where it is not set.

    Raises BadUsageError where it is not a number of seconds.
    """
    text = os.environ.get(variable, "")
    if not text:
        return None
    if not re.fullmatch(r"[1-9]\d{0,6}", text, re.ASCII):
        raise BadUsageError(
            f"{variable} is not a number of seconds: {in_one_line(text)}",
            advice=f"{variable}=7200, or {_OPTIONS[variable]} 7200",
        )
    return float(text)


def silence(default: float) -> float:
    """Return how many seconds the other end of a connection may send nothing: ``default`` unless the user set it."""
    given = seconds(NETWORK)
    return default if given is None else given

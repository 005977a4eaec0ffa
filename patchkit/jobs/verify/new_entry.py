"""One entry that is proposed for a file of pins, and what was checked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

RECORDS = 2
"""Independent public records that a hash or a fingerprint needs."""


@dataclass(frozen=True)
class NewEntry:
    """One entry, and what was checked of it."""

    release: str
    what: str
    value: str
    path: str
    """The file that it goes into, in patchkit's repository; empty where there is nothing to enter."""
    add: Callable[[str], str]
    """Adds it to the text of this file."""
    checked: Sequence[str]
    missing: Sequence[str]
    """What could not be checked; empty where all of it was."""

"""The kernel's configuration: the fragment, and whether a configuration has what it asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from patchkit.errors import GuestError

FRAGMENT = Path(__file__).parent.with_name("kernel.config")
_LINE = re.compile(r"^(CONFIG_\w+)=(.*)$", re.MULTILINE)
_OF_THE_BUILD = "# How it is built"  # the part of the fragment that a kernel of the user's need not have


def fragment() -> str:
    """Read the fragment, the text that ``KCONFIG_ALLCONFIG`` takes."""
    return FRAGMENT.read_text("utf-8")


def values(text: str) -> dict[str, str]:
    """Read the options of a ``.config`` or a fragment; what is off is not in it, or is ``n``."""
    return dict(_LINE.findall(text))


def needed() -> Mapping[str, str]:
    """Return the options that any kernel of the lab must have."""
    return values(fragment().partition(_OF_THE_BUILD)[0])


def refuse_other(wanted: Mapping[str, str], found: str, name: str, advice: str = "") -> None:
    """Compare the configuration ``found`` with ``wanted``; ``name`` is the kernel's in the error, with ``advice``.

    Raises GuestError for options that are not as wanted: those that depend on others, or that a kernel does not know,
    are lost without a word when it is configured.
    """
    there = values(found)
    other = [option for option, value in wanted.items() if there.get(option, "n") != value]
    if other:
        rows = (f"{option} is {there.get(option, 'n')}, not {wanted[option]}" for option in other[:8])
        raise GuestError(
            f"{name} is not configured as the lab needs it",
            why="\n".join(rows) + (f"\nand {len(other) - 8} more" if len(other) > 8 else ""),
            advice=advice or "PATCHKIT_UML=PATH takes a kernel that you have built",
        )

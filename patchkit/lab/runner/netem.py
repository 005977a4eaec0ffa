"""What netem is to do, as the order describes it, for rtnetlink(7)."""

from __future__ import annotations

import os
from array import array

from .netlink import attributes

TYPE_CHECKING = False  # typing would be compiled at every boot
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_DISTRIBUTION, _SEED = 2, 14  # linux/pkt_sched.h
# Where iproute2 keeps its tables of distributions: Debian, others.
_TABLES = ("/usr/lib/x86_64-linux-gnu/tc", "/usr/lib/tc", "/usr/lib64/tc", "/usr/share/tc")


def options(qdisc: Mapping[str, Any]) -> bytes:
    """Return the value of TCA_OPTIONS; nothing for a qdisc without options. Raises OSError where a table is missing."""
    if "options" not in qdisc:
        return b""
    parts = {}
    if "seed" in qdisc:
        parts[_SEED] = qdisc["seed"].to_bytes(8, "little")
    if "distribution" in qdisc:
        parts[_DISTRIBUTION] = _table(qdisc["distribution"])
    return bytes.fromhex(qdisc["options"]) + attributes(parts)


def _table(name: str) -> bytes:
    """Read a table of iproute2's: lines of numbers, and comments."""
    places = [f"{folder}/{name}.dist" for folder in _TABLES]
    path = next((place for place in places if os.path.exists(place)), places[0])  # noqa: PTH110 - see network.py
    with open(path) as file:  # noqa: PTH123
        numbers = [int(number) for line in file if not line.startswith("#") for number in line.split()]
    return array("h", numbers).tobytes()

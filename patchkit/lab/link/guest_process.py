"""What a guest's process has in common, whether QEMU or User-Mode Linux: its clock, and how it runs out of memory."""

from __future__ import annotations

import datetime
import re

from patchkit.errors import MachineError

GUEST_TIME = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)
"""The time that the clocks of the lab's guests start at: all certificates are valid then, and nine years more."""
# What the kernel, QEMU or Python print when there is too little memory.
_OUT_OF_MEMORY = re.compile(
    r"out of memory|deadlocked on memory|MemoryError|Cannot allocate memory|Failed to allocate"
    r"|unpacking failed: write error|initrd is too large",
    re.IGNORECASE,
)


def is_out_of_memory(printed: str) -> bool:
    """Return whether ``printed``, of a guest or its process, shows a lack of memory."""
    return _OUT_OF_MEMORY.search(printed) is not None


def out_of_memory(memory: int, why: str) -> MachineError:
    """Return the error of a guest for which ``memory`` MiB were too little."""
    return MachineError(
        f"the lab's guest has too little memory: {memory} MiB",
        why=why,
        advice="programs that are much larger than openvpn have no room in it; otherwise, please report it",
    )

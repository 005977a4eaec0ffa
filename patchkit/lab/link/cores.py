"""On which of the host's cores a guest runs: its kernel and its processes hand over to each other all the time.

Spread over two cores, a guest took half as long again.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_running: Counter[int] = Counter()
_choosing = threading.Lock()


@contextmanager
def reserved() -> Iterator[int]:
    """Reserve, within the context, the core on which the fewest guests of this process run; give its number."""
    allowed = sorted(os.sched_getaffinity(0))
    begin = os.getpid() % len(allowed)  # another patchkit may begin elsewhere
    with _choosing:
        core = min(allowed[begin:] + allowed[:begin], key=_running.__getitem__)
        _running[core] += 1
    try:
        yield core
    finally:
        with _choosing:
            _running[core] -= 1


@contextmanager
def bound_to(core: int) -> Iterator[None]:
    """Let what this thread starts within the context run on ``core`` alone, where the host permits that."""
    allowed = os.sched_getaffinity(0)
    with suppress(OSError):
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, allowed)

"""A test's own thread in the network namespace of another process: Python 3.11 has no setns."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLONE_NEWNET = 0x40000000  # <linux/sched.h>


@contextmanager
def network_of(pid: int | None) -> Iterator[None]:
    """Sockets that are made meanwhile, and processes that are started, are in that process's network; None: in ours."""
    if pid is None:
        yield
        return
    with Path("/proc/thread-self/ns/net").open("rb") as ours:
        _enter(Path(f"/proc/{pid}/ns/net"))
        try:
            yield
        finally:
            _set(ours.fileno())


def _enter(path: Path) -> None:
    with path.open("rb") as theirs:
        _set(theirs.fileno())


def _set(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "setns")

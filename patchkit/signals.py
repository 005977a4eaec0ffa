"""Signals: the first one ends the work in an orderly way, a later one ends patchkit and its children at once."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN = signal.SIGALRM  # stands for an interrupt that Python has lost

_SAME = 1.0  # seconds: a terminal and a program around patchkit may both pass on one ^C

GROUPS: set[int] = set()
"""The process groups of children that have sessions of their own: what a second signal kills."""


def install() -> None:
    """Let SIGTERM and SIGHUP end the work as ^C does, unless they are ignored at the start (nohup)."""
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _not_lost


@contextmanager
def held_off() -> Iterator[None]:
    """Hold signals off within the context: for cleaning up, and for work that must be done whole.

    One that came meanwhile may have come with the first one: it kills nothing.
    """
    global _interrupted  # noqa: PLW0603
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_ENDING, _AGAIN))
    try:
        yield
    finally:
        if _interrupted and signal.sigpending() & {*_ENDING}:
            _interrupted = time.monotonic()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_worker() -> None:
    """Receive signals again, in a worker that was forked while they were held off and cleans up when it is ended."""
    for number in _ENDING:
        signal.signal(number, _interrupt)
    sys.unraisablehook = _not_lost
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_ENDING, _AGAIN))


def watch_parent(end: Callable[[], object]) -> None:
    """Call ``end``, in a worker, when the parent process has ended for any reason."""
    from multiprocessing import parent_process

    def wait() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            end()

    Thread(target=wait, daemon=True).start()


def leave_to_parent() -> None:
    """Ignore signals, in a worker that was forked while they were held off: the parent receives them as well."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_ENDING, _AGAIN))


def _not_lost(lost: sys.UnraisableHookArgs) -> None:
    """Raise an interrupt again that came in a finalizer: Python drops exceptions there."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        signal.signal(_AGAIN, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        sys.__unraisablehook__(lost)


def ignore() -> None:
    """Ignore signals from now on: the work has ended, and Python's own end would die of one with another exit code."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def let_in() -> None:
    """Receive signals again, in a child that was forked while they were held off and becomes another program."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_ENDING, _AGAIN))


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    for other in _ENDING:
        signal.signal(other, _kill)
    global _interrupted  # noqa: PLW0603
    _interrupted = time.monotonic()
    raise KeyboardInterrupt


_interrupted = 0.0


def _kill(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """End at once, with all children: somebody does not want to wait for the tidying up."""
    if time.monotonic() - _interrupted < _SAME:
        return
    for group in list(GROUPS):
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    os._exit(128 + number)

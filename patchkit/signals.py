"""Signals: the first one ends the work in an orderly way, and nothing interrupts the tidying up."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN = signal.SIGALRM  # what an interrupt that Python lost comes back as


def install() -> None:
    """Let SIGTERM and SIGHUP end the work as ^C does, unless whoever started us had them ignored (nohup)."""
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _not_lost


@contextmanager
def held_off() -> Iterator[None]:
    """Signals that come meanwhile are delivered afterwards: for cleaning up, and for what must be done whole."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_ENDING, _AGAIN))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_worker() -> None:
    """In a worker, forked while signals were held off, that tidies up after itself when it is told to end."""
    for number in _ENDING:
        signal.signal(number, _interrupt)
    sys.unraisablehook = _not_lost
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_ENDING, _AGAIN))


def watch_parent(end: Callable[[], object]) -> None:
    """In a worker: call ``end`` when the parent is gone, however it went."""
    from multiprocessing import parent_process

    def wait() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            end()

    Thread(target=wait, daemon=True).start()


def leave_to_parent() -> None:
    """In a worker, forked while signals were held off: its parent hears of them as well."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_ENDING, _AGAIN))


def _not_lost(lost: sys.UnraisableHookArgs) -> None:
    """Python drops an exception that a finalizer meets, and the one interrupt with it: it is raised again soon."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        signal.signal(_AGAIN, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        sys.__unraisablehook__(lost)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    # One is enough. A second one, from an impatient user, would hit the tidying up, or Python's own ending.
    for other in _ENDING:
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt

"""Many variants against many sets of files: in as many processes as there are cores, where that pays."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import groupby
from multiprocessing import get_context

from patchkit.patching.combination import combination
from patchkit.patching.matrix import Attempt, attempt
from patchkit.ui import Ui

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A variant, and the paths and git blob ids of the files that it touches."""
_WORTH_PROCESSES = 16  # tries; fewer are done before a second process has started


def forms(name: str) -> tuple[bool, ...]:
    """Plain, and guarded where the variant can be."""
    return (False, True) if all(part.guard for part in combination(name).parts) else (False,)


def try_all(tasks: Mapping[Key, str], blobs: Mapping[str, bytes], ui: Ui) -> dict[Key, list[Attempt]]:
    """Try each key's variant, in all its forms, against its files; the value of a task is a label for the header."""
    # Neighbours share files, and a process parses each of its files once.
    batches = [list(batch) for _, batch in groupby(sorted(tasks), lambda key: (key[0], key[1][:1]))]
    results: dict[Key, list[Attempt]] = {}
    with _workers(len(tasks)) as submit:
        running = []
        for batch in batches:
            files = [{path: blobs[blob] for path, blob in touched} for _, touched in batch]
            running.append(submit(batch, files, [tasks[key] for key in batch]))
        with ui.count("render and verify", len(tasks)) as advance:
            for done in as_completed(running):
                results |= done.result()
                advance(len(done.result()))
    return results


def _batch(keys: list[Key], files: list[dict[str, bytes]], labels: list[str]) -> dict[Key, list[Attempt]]:
    return {
        key: [attempt(key[0], guard, own, label) for guard in forms(key[0])]
        for key, own, label in zip(keys, files, labels, strict=True)
    }


_Submit = Callable[[list[Key], list[dict[str, bytes]], list[str]], "Future[dict[Key, list[Attempt]]]"]


@contextmanager
def _workers(tasks: int) -> Iterator[_Submit]:
    """Where batches are worked off: here for a few, in one process a core for many."""
    cores = len(os.sched_getaffinity(0))
    if tasks < _WORTH_PROCESSES or cores == 1:
        yield _at_once
        return
    # Forked before the bar starts a thread; what this process has imported need not be imported again.
    pool = ProcessPoolExecutor(cores, mp_context=get_context("fork"), initializer=_ignore_interrupts)
    try:
        yield lambda *batch: pool.submit(_batch, *batch)
    finally:
        pool.shutdown(cancel_futures=True)


def _at_once(keys: list[Key], files: list[dict[str, bytes]], labels: list[str]) -> Future[dict[Key, list[Attempt]]]:
    done: Future[dict[Key, list[Attempt]]] = Future()
    done.set_result(_batch(keys, files, labels))
    return done


def _ignore_interrupts() -> None:
    """The parent hears of ^C as well, and ends its workers without their tracebacks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

"""Many variants against many sets of files: in as many processes as there are cores, where that pays."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import groupby
from multiprocessing import get_context

from patchkit import signals
from patchkit.building.engine.protocol import cores
from patchkit.patching.attempt import Attempt, attempt
from patchkit.patching.combination import combination
from patchkit.ui import Ui

_Work = tuple[list["Key"], list[dict[str, bytes]], list[str]]
_Results = dict["Key", list[Attempt]]
Key = tuple[str, tuple[tuple[str, str], ...]]
"""A variant, and the paths and git blob ids of the files that it touches."""
_WORTH_PROCESSES = 16  # tries; fewer are done before a second process has started


def forms(name: str) -> tuple[bool, ...]:
    """Plain, and guarded where the variant can be."""
    return (False, True) if combination(name).guard else (False,)


def try_all(tasks: Mapping[Key, str], blobs: Mapping[str, bytes], ui: Ui) -> dict[Key, list[Attempt]]:
    """Try each key's variant, in all its forms, against its files; the value of a task is a label for the header."""
    # Neighbours share files, and a process parses each of its files once.
    batches = [list(batch) for _, batch in groupby(sorted(tasks), lambda key: (key[0], key[1][:1]))]
    work = [
        (batch, [{path: blobs[blob] for path, blob in touched} for _, touched in batch], [tasks[key] for key in batch])
        for batch in batches
    ]
    results: dict[Key, list[Attempt]] = {}
    with _done(work) as done, ui.count("render and verify", len(tasks)) as advance:
        for some in done:
            results |= some
            advance(len(some))
    return results


def _batch(keys: list[Key], files: list[dict[str, bytes]], labels: list[str]) -> dict[Key, list[Attempt]]:
    return {
        key: [attempt(key[0], guard, own, label) for guard in forms(key[0])]
        for key, own, label in zip(keys, files, labels, strict=True)
    }


@contextmanager
def _done(work: Sequence[_Work]) -> Iterator[Iterator[_Results]]:
    """What comes of each batch: here, one after the other, for a few; as they come from a process a core for many."""
    processes = cores()
    if processes == 1 or sum(len(keys) for keys, _, _ in work) < _WORTH_PROCESSES:
        yield (_batch(*one) for one in work)
        return
    # Forked before the bar starts a thread; what this process has imported need not be imported again.
    pool = ProcessPoolExecutor(processes, mp_context=get_context("fork"), initializer=_begin)
    try:
        # A signal between fork and _begin would be the worker's; one inside of submit leaves a pool that never ends.
        with signals.held_off():
            running = [pool.submit(_batch, *one) for one in work]
        yield (one.result() for one in as_completed(running))
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """The parent hears of signals, and ends its workers; where it is killed, they end as well."""
    signals.leave_to_parent()
    signals.watch_parent(lambda: os._exit(1))

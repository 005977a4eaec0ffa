"""Render many variants against many sets of files: in as many processes as there are cores, if that is faster."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context

from patchkit import signals
from patchkit.patching.attempt import Attempt, attempt
from patchkit.patching.combination import combination
from patchkit.processors import cores
from patchkit.ui import Ui

_Files = tuple[dict[str, bytes], dict[str, bytes] | None]
_Work = tuple[list["Key"], list[str]]
_Results = dict["Key", list[Attempt]]
_Blobs = tuple[tuple[str, str], ...]
Key = tuple[str, _Blobs, _Blobs | None]
"""A variant; the paths and git blob ids of the files that it touches; and those of the files that say what else the
tree has, None for a tree that is pinned."""
_WORTH_PROCESSES = 16  # attempts; fewer are done before a second process has started
_inherited: Mapping[str, bytes] = {}
"""In a process of the pool: the contents of all files, by git blob id."""


def forms(name: str) -> tuple[bool, ...]:
    """List the forms of the variant ``name``: plain, and guarded if it has that form."""
    return (False, True) if combination(name).guard else (False,)


def attempt_all(tasks: Mapping[Key, str], blobs: Mapping[str, bytes], ui: Ui) -> dict[Key, list[Attempt]]:
    """Render each key's variant, in all forms, against its files.

    The value of a task is the label for the diff's header; ``blobs`` are the contents of files, by git blob id.
    """
    batches = [list(batch) for batch in _batches(list(tasks), cores())]
    work = [(batch, [tasks[key] for key in batch]) for batch in batches]
    results: dict[Key, list[Attempt]] = {}
    with _done(work, blobs) as done, ui.count("render and verify", len(tasks)) as advance:
        for batch_results in done:
            results |= batch_results
            advance(len(batch_results))
    return results


def _batches(keys: Sequence[Key], processes: int) -> Iterator[Sequence[Key]]:
    """Cut ``keys``, which are in the order of the releases, into batches of neighbours, which share files.

    A process renders each of its files once, so that few long batches are best; the last ones are shorter, for the
    processes to end together.
    """
    at = 0
    while at < len(keys):
        left = len(keys) - at
        size = max(int(left / (1.5 * processes)), len(keys) // (5 * processes), 1)
        yield keys[at : at + size]
        at += size


def _files(key: Key, blobs: Mapping[str, bytes]) -> _Files:
    _, touched, beside = key
    own = {path: blobs[blob] for path, blob in touched}
    return own, {path: blobs[blob] for path, blob in beside} if beside is not None else None


def _batch(keys: list[Key], labels: list[str], blobs: Mapping[str, bytes] | None = None) -> dict[Key, list[Attempt]]:
    results = {}
    for key, label in zip(keys, labels, strict=True):
        own, beside = _files(key, _inherited if blobs is None else blobs)
        results[key] = [attempt(key[0], guard, own, label, beside) for guard in forms(key[0])]
    return results


@contextmanager
def _done(work: Sequence[_Work], blobs: Mapping[str, bytes]) -> Iterator[Iterator[_Results]]:
    """Yield the results of each batch: in this process for a few, from a process a core, as they come, for many."""
    processes = cores()
    if processes == 1 or sum(len(keys) for keys, _ in work) < _WORTH_PROCESSES:
        yield (_batch(*batch, blobs) for batch in work)
        return
    # Forked before the bar starts a thread; what this process has imported and read need not be sent or read again.
    fork = get_context("fork")
    pool = ProcessPoolExecutor(processes, mp_context=fork, initializer=_begin, initargs=(blobs,))
    try:
        # A signal between fork and _begin would be the worker's; one inside of submit leaves a pool that never ends.
        with signals.held_off():
            running = [pool.submit(_batch, *batch) for batch in work]
        yield (future.result() for future in as_completed(running))
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(blobs: Mapping[str, bytes]) -> None:
    """Leave signals to the parent, which ends its workers; when the parent is killed, the workers end as well."""
    global _inherited  # noqa: PLW0603 - a forked process has it already, nothing is copied
    _inherited = blobs
    signals.leave_to_parent()
    signals.watch_parent(lambda: os._exit(1))

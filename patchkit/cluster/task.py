"""A unit of work on a worker: bytes in, bytes out, and an event that tells what came out.

Nothing that is pickled comes or goes but the names of patchkit's own functions.
"""

from __future__ import annotations

import hashlib
import json
import os
import traceback
from collections.abc import Callable
from typing import Any

from patchkit.cluster.ability import in_one_line
from patchkit.cluster.identity import Ability, resource
from patchkit.errors import DiskFullError, LinkError, PatchkitError, StorageError, ToolchainError, as_document, fault

TOPIC = "patchkit"
"""Of the events, at the scheduler."""
RESULT, ERROR = b"R", b"E"
_OF_THE_MACHINE = (DiskFullError, LinkError, StorageError, ToolchainError)
"""Errors of a machine that lacks something: another one may do the work."""

_AT_WORK = ("running", "paused", "closing_gracefully")


def done(ability: Ability, work: Callable[[], tuple[bytes, bytes]]) -> bytes:
    """Return what ``work`` returns, or its error: the first part of it; the second is what must be the same each time.

    Where this machine turns out to lack something, the work goes to another one, and no more of its kind comes here.
    """
    from distributed import Reschedule, get_worker

    worker = get_worker()
    try:
        result, repeatable = work()
    except _OF_THE_MACHINE as error:
        _withdraw(worker, ability, error)
        raise Reschedule from error
    except OSError as error:  # a folder that is gone, a program that may not be run from the cache
        _withdraw(worker, ability, StorageError(f"{type(error).__name__}: {error}"))
        raise Reschedule from error
    except PatchkitError as error:
        return ERROR + json.dumps(as_document(error)).encode()
    except Exception as error:  # noqa: BLE001 - the client gets it
        if os.environ.get("PATCHKIT_DEBUG"):
            traceback.print_exc()
        return ERROR + json.dumps(as_document(fault(error))).encode()
    digest = hashlib.sha256(repeatable).hexdigest()
    worker.log_event(TOPIC, {"unit": _key(worker), "sha256": digest, "worker": worker.address})
    return RESULT + result


def is_wanted() -> Callable[[], bool]:
    """Return a function that tells whether this task's result is still waited for: any thread may ask."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing" and worker.status.name in _AT_WORK

    return wanted


def input_value(data: bytes) -> bytes:
    """Return ``data``: an input is a task, so that Dask makes it again where its worker is lost."""
    return data


def unit_name(key: object) -> str:
    """Write a task's key as events have it."""
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _key(worker: Any) -> str:
    return unit_name(worker.get_current_task())


def _withdraw(worker: Any, ability: Ability, error: PatchkitError) -> None:
    lack = in_one_line(error)
    worker.log_event(TOPIC, {"lacks": lack, "ability": ability, "worker": worker.address})
    worker.loop.add_callback(worker.set_resources, **{resource(ability): 0})

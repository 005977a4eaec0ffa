"""How a command ends: results on stdout, errors as one clear text and an exit code, never a traceback."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from typing import ParamSpec

from patchkit import signals
from patchkit.errors import DiskFullError, InterruptedByUserError, PatchkitError, fault
from patchkit.storage import is_full
from patchkit.ui import Ui, data

_Params = ParamSpec("_Params")


def command(function: Callable[_Params, None]) -> Callable[_Params, None]:
    """Run a command; turn whatever goes wrong into an error text and its exit code.

    ``PATCHKIT_DEBUG=1`` shows the traceback as well.
    """

    @functools.wraps(function)
    def run(*args: _Params.args, **kwargs: _Params.kwargs) -> None:
        signals.install()
        as_json = bool(kwargs.get("as_json"))
        try:
            function(*args, **kwargs)
        except PatchkitError as error:
            _end(error, as_json=as_json)
        except KeyboardInterrupt:
            _end(InterruptedByUserError("interrupted", why="nothing half-made was left"), as_json=as_json)
        except OSError as error:
            _end(_disk_full(error) if is_full(error) else fault(error), as_json=as_json)
        except Exception as error:  # noqa: BLE001 - the last resort: a user never sees a traceback unasked
            _end(fault(error), as_json=as_json)

    return run


def print_json(document: object) -> None:
    """One JSON document on stdout."""
    data(json.dumps(document, indent=2, default=str) + "\n")


def as_document(error: PatchkitError) -> dict[str, object]:
    """An error as ``--json`` shows it."""
    return {
        "error": error.name,
        "exit_code": error.exit_code,
        "what": error.what,
        "why": error.why,
        "advice": error.advice,
    }


def _end(error: PatchkitError, *, as_json: bool) -> None:
    if os.environ.get("PATCHKIT_DEBUG"):
        import traceback

        traceback.print_exc()
    if as_json:
        print_json(as_document(error))
    Ui().error(error.what, error.why, error.advice)
    raise SystemExit(error.exit_code) from None


def _disk_full(error: OSError) -> PatchkitError:
    return DiskFullError(
        "the disk is full",
        why=str(error),
        advice="free some space, or set PATCHKIT_CACHE, TMPDIR, --out or --to elsewhere",
    )

"""How a command ends: results on stdout, errors as one clear text and an exit code, never a traceback."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from typing import Any

from patchkit import signals
from patchkit.cli.option_groups import with_option_groups
from patchkit.cli.output.document import error_document, print_json
from patchkit.errors import DiskFullError, InterruptedByUserError, PatchkitError, fault
from patchkit.storage import is_full
from patchkit.ui import Ui


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Return ``function`` as a command: its option groups expanded, and what it raises turned into an error text and
    an exit code.

    ``PATCHKIT_DEBUG=1`` shows the traceback as well.
    """

    function = with_option_groups(function)

    @functools.wraps(function)
    def run(**kwargs: Any) -> None:
        signals.install()
        as_json = bool(kwargs.get("as_json"))
        try:
            function(**kwargs)
        except PatchkitError as error:
            _end(error, as_json=as_json)
        except KeyboardInterrupt:
            _end(InterruptedByUserError("interrupted", why="nothing half-made was left"), as_json=as_json)
        except OSError as error:
            _end(_disk_full(error) if is_full(error) else fault(error), as_json=as_json)
        except Exception as error:  # noqa: BLE001 - the last resort: a user never sees a traceback unasked
            _end(fault(error), as_json=as_json)

    run.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return run


def _end(error: PatchkitError, *, as_json: bool) -> None:
    if os.environ.get("PATCHKIT_DEBUG"):
        import traceback

        traceback.print_exc()
    if as_json:
        print_json(error_document(error))
    Ui().error(error.what, error.why, error.advice)
    raise SystemExit(error.exit_code) from None


def _disk_full(error: OSError) -> PatchkitError:
    return DiskFullError(
        "the disk is full",
        why=str(error),
        advice="free some space, or set PATCHKIT_CACHE, TMPDIR, --out or --to elsewhere",
    )

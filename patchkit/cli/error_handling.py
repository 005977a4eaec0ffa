"""How a command ends: results on stdout, errors as one clear text and an exit code, never a traceback."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from patchkit import signals
from patchkit.cli.option_groups import with_option_groups
from patchkit.cli.output.document import error_document, print_json
from patchkit.errors import BadUsageError, DiskFullError, InterruptedByUserError, PatchkitError, fault
from patchkit.storage import is_full, refused, talk_through
from patchkit.ui import Ui

_ClickError: Any = typer.BadParameter.__mro__[2]  # ClickException, of the click that typer brings along


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Return ``function`` as a command: its option groups expanded, and what it raises turned into an error text and
    an exit code.

    ``PATCHKIT_DEBUG=1`` shows the traceback as well.
    """

    function = with_option_groups(function)

    @functools.wraps(function)
    def run(**kwargs: Any) -> None:
        signals.install()
        talk_through(Ui().note)
        with reporting_errors(as_json=bool(kwargs.get("as_json"))):
            function(**kwargs)

    run.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return run


@contextmanager
def reporting_errors(*, as_json: bool) -> Iterator[None]:
    """Turn what is raised within the context into an error text, with ``as_json`` also a document, and an exit code."""
    try:
        yield
    except PatchkitError as error:
        _end(error, as_json=as_json)
    except KeyboardInterrupt:
        signals.ignore()
        _end(InterruptedByUserError("interrupted", why="nothing half-made was left"), as_json=as_json)
    except _ClickError as error:
        _end_usage(error, as_json=as_json)
    except (typer.Exit, typer.Abort):
        raise
    except OSError as error:
        _end(_disk_full(error) if is_full(error) else refused(error) or fault(error), as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last resort: a user never sees a traceback unasked
        _end(fault(error), as_json=as_json)


def _end(error: PatchkitError, *, as_json: bool) -> None:
    ui = Ui()
    if os.environ.get("PATCHKIT_DEBUG"):
        import traceback

        for line in traceback.format_exc().splitlines():
            ui.note(line)
    if as_json:
        _print_document(error, ui)
    ui.error(error.what, error.why, error.advice)
    raise SystemExit(error.exit_code) from None


def _end_usage(error: Any, *, as_json: bool) -> None:
    """End with a wrong command line: the text is click's own, which names the option."""
    if as_json:
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else "patchkit"
        _print_document(BadUsageError(error.format_message(), advice=f"{where} --help"), Ui())
    error.show()
    raise SystemExit(error.exit_code) from None


def _print_document(error: PatchkitError, ui: Ui) -> None:
    """Print ``error`` as a document; where stdout does not take it, the exit code still is the error's own."""
    try:
        print_json(error_document(error))
    except DiskFullError as full:
        ui.warn(full.what)


def _disk_full(error: OSError) -> PatchkitError:
    return DiskFullError(
        "the disk is full",
        why=str(error),
        advice="free some space, or set PATCHKIT_CACHE, TMPDIR, --out or --to elsewhere",
    )

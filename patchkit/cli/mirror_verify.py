"""``patchkit mirror verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption
from patchkit.printable import first_lines, listed


@command
def verify(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The mirror.")],
    as_json: JsonOption = False,
) -> None:
    """Check that a mirror holds all that its index names, whole and as pinned.

    \b
    Example: patchkit mirror verify mirror
    """
    from patchkit.cli.output.mirror import print_checks, print_checks_document
    from patchkit.context import Context
    from patchkit.errors import MirrorError
    from patchkit.jobs.mirror.check import check

    context = Context.default()
    checks = check(directory, context)
    if as_json:
        print_checks_document(checks, directory)
    else:
        print_checks(checks)
    bad = [file for file in checks if file.bad]
    if bad:
        context.ui.error(
            f"missing or damaged in {directory}: {listed([file.name for file in bad])}",
            first_lines([f"{file.name}: {file.verdict}{', ' if file.detail else ''}{file.detail}" for file in bad]),
            "patchkit mirror sync, with the same --versions, brings what is missing",
        )
        raise SystemExit(MirrorError.exit_code)

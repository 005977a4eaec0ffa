"""``patchkit artifact check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption


@command
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with a manifest and the files it names.")],
    key: Annotated[
        list[Path] | None,
        typer.Option(
            "--key",
            metavar="FILE",
            help="A public key to trust: OpenPGP, SSH (or allowed signers), minisign, sigstore; may be repeated.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check artifacts from their files alone, and say which signature covers which file.

    \b
    Example: patchkit artifact check dist
    """
    from patchkit.cli.output.artifact import print_document, print_table
    from patchkit.jobs.artifact.check import check as checked
    from patchkit.ui import Ui

    result = checked(folder, key or [])
    if as_json:
        print_document(result)
    else:
        print_table(result)
    ui = Ui()
    if result.error is not None:
        ui.error(result.error.what, result.error.why, result.error.advice)
        raise SystemExit(result.error.exit_code)
    ui.step(result.summary)

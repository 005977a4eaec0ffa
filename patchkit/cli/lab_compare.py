"""``patchkit lab compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption


@command
def compare(
    before: Annotated[Path, typer.Argument(metavar="REPORT", help="A report's folder.")],
    after: Annotated[Path, typer.Argument(metavar="REPORT", help="Another one, of the same cells and the same seed.")],
    as_json: JsonOption = False,
) -> None:
    """Compare two reports by pairs of trials that met the same losses: before and after a change.

    \b
    Example: patchkit lab compare before after
    """
    from patchkit.cli.output.document import print_json
    from patchkit.jobs.lab.compare import compare as compared_by
    from patchkit.lab.report.report import summary
    from patchkit.ui import Ui, data

    compared = compared_by(before, after)
    ui = Ui()
    for sentence in compared.differing:
        ui.note(sentence)
    if compared.alone:
        ui.note(f"not in both: {', '.join(compared.alone)}")
    if as_json:
        print_json(compared.results.model_dump(mode="json"))
    else:
        data(summary(f"{after} against {before}", compared.results))

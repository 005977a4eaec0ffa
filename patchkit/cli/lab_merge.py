"""``patchkit lab merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption


@command
def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Reports of lab run --shard K/N.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the report goes.")] = Path("report"),
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Report on the parts that are there; the report says which.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put the parts of a campaign together: the report that one machine would have written.

    \b
    Example: patchkit lab merge part-1 part-2
    """
    from patchkit.cli.output.document import print_json
    from patchkit.context import Context
    from patchkit.jobs.lab.merge import MergeRequest
    from patchkit.jobs.lab.merge import merge as merged
    from patchkit.lab.report.report import markdown
    from patchkit.ui import data

    context = Context.default()
    done = merged(MergeRequest(folders=folders, out=out, allow_missing=allow_missing), context)
    if as_json:
        print_json(done.results.model_dump(mode="json"))
    else:
        data(markdown(done.campaign, done.results, done.timing))
    context.ui.note(f"{out}/report.html has the plots and every trial")

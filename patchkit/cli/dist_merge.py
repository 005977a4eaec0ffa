"""``patchkit dist merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption


@command
def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Output folders of build --shard K/N.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where all artifacts go.")] = Path("dist"),
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Take the parts that are there, and note which.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put the parts of a build of all releases together: the folder that one machine would have written.

    \b
    Example: patchkit dist merge part-1 part-2
    """
    from patchkit.cli.output.document import print_json
    from patchkit.jobs.build.parts import DistMergeRequest
    from patchkit.jobs.build.parts import merge as merged
    from patchkit.ui import Ui, table

    done = merged(DistMergeRequest(folders=folders, out=out, allow_missing=allow_missing))
    ui = Ui()
    for what, why in done.failed.items():
        ui.warn(f"{what} was not built: {why}")
    if done.missing:
        ui.warn(f"parts that are missing: {', '.join(map(str, done.missing))}")
    if as_json:
        names = [artifact.name for artifact in done.artifacts]
        print_json({"out": str(out), "artifacts": names, "failed": done.failed, "missing": done.missing})
    else:
        table(("artifact", "inputs"), [(artifact.name, artifact.inputs[:12]) for artifact in done.artifacts])

"""``patchkit lab replay``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.option_groups import CompileOptions
from patchkit.cli.options import GitOption, JsonOption, KnownBadOption, NetworkTimeoutOption, OfflineOption, PatchOption


@command
def replay(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="A report's folder.")],
    cell: Annotated[str, typer.Option("--cell", metavar="ID", help="As the report names it.")],
    trial: Annotated[int, typer.Option("--trial", metavar="K", min=1, help="Its number in the cell.")],
    verb: Annotated[int, typer.Option("--verb", metavar="N", min=1, max=11, help="OpenVPN's --verb.")] = 7,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Default: REPORT/replay/...")] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant", metavar="./FOLDER", help="A variant of your own that the report is of; may be repeated."
        ),
    ] = None,
    patch: PatchOption = None,
    git: GitOption = None,
    compiling: CompileOptions = CompileOptions(),
    offline: OfflineOption = False,
    _: NetworkTimeoutOption = None,
    allow_known_bad: KnownBadOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run one trial of a report again: both logs at high verbosity, and a capture of the link.

    Patches and variants of your own have to be given again, as lab run got them: a report has their hashes alone.

    \b
    Example: patchkit lab replay report --cell 2.6.14/loss-20/leaf-rsa2048 --trial 7
    """
    from patchkit.cli.output.replay import print_document, print_table
    from patchkit.context import Context
    from patchkit.jobs.lab.replay import replay as replayed_by
    from patchkit.jobs.lab.request import ReplayRequest
    from patchkit.lab.report.folder import file_stem
    from patchkit.patching.own.choose import named
    from patchkit.source.obtain import SourceRequest

    request = ReplayRequest(
        report=report,
        cell=cell,
        trial=trial,
        out=out or report / "replay" / file_stem(cell, trial),
        verbosity=verb,
        source=SourceRequest(git=git),
        settings=compiling.settings(allow_known_bad=allow_known_bad),
        own=named(variant, patch),
    )
    replayed = replayed_by(request, Context.default(offline=offline))
    if as_json:
        print_document(replayed)
    else:
        print_table(replayed)

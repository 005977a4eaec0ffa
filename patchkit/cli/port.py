"""``patchkit port``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from patchkit.cli import completion
from patchkit.cli.error_handling import command
from patchkit.cli.option_groups import CompileOptions
from patchkit.cli.options import GitOption, JsonOption, NetworkTimeoutOption, OfflineOption, VerboseOption


@command
def port(
    *,
    patch: Annotated[str, typer.Argument(metavar="FILE|DIR", help="A unified diff, an mbox, or a quilt series.")],
    before: Annotated[
        str,
        typer.Option(
            "--from", metavar="V", help="The release that it applies to exactly.", autocompletion=completion.versions
        ),
    ],
    after: Annotated[
        str,
        typer.Option("--to", metavar="V", help="The release that it is to be for.", autocompletion=completion.versions),
    ],
    git: GitOption = None,
    prove: Annotated[
        bool, typer.Option("--prove", help="Compile both, and compare each with its source without the patch.")
    ] = False,
    compiling: CompileOptions = CompileOptions(),
    offline: OfflineOption = False,
    _: NetworkTimeoutOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make an exact diff for another release of a patch of your own: merged through upstream's files, or not at all.

    \b
    Example: patchkit port mine.diff --from 2.6.14 --to 2.7.7
    """
    from patchkit.cli.output.port import document, print_review
    from patchkit.context import Context
    from patchkit.errors import BadUsageError
    from patchkit.jobs.port.job import PortRequest
    from patchkit.jobs.port.job import port as ported_by
    from patchkit.source.obtain import SourceRequest
    from patchkit.ui import data

    if not prove and any(compiling.given.values()):
        raise BadUsageError("options of the compiler go with --prove")
    began = time.monotonic()
    context = Context.default(offline=offline, verbose=verbose)
    request = PortRequest(
        patch, SourceRequest(before, git), SourceRequest(after, git), prove=prove, settings=compiling.settings()
    )
    ported = ported_by(request, context)
    if as_json:
        document(ported)
    else:
        data(ported.rendered.diff.decode("utf-8", "surrogateescape"))
    print_review(ported, context.ui)
    context.ui.note(f"{time.monotonic() - began:.1f} s in all")

"""``patchkit rebuild``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import (
    GitOption,
    JobsOption,
    JsonOption,
    NetworkTimeoutOption,
    OfflineOption,
    OpensslSourceOption,
    SourceOption,
    VerboseOption,
)


@command
def rebuild(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST|DIR", help="A manifest.json, or a folder with one.")],
    artifact: Annotated[
        list[str] | None,
        typer.Option("--artifact", metavar="NAME", help="Only this one of the manifest; may be repeated."),
    ] = None,
    source: SourceOption = None,
    git: GitOption = None,
    openssl_source: OpensslSourceOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Keep what was built again; otherwise it is removed.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Build with another patchkit or toolchain than the manifest's, too.")
    ] = False,
    jobs: JobsOption = None,
    offline: OfflineOption = False,
    _: NetworkTimeoutOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Build artifacts again from their manifest alone, and compare them bit for bit.

    \b
    Example: patchkit rebuild dist
    """
    from patchkit.cli.output.rebuild import print_document, print_table
    from patchkit.context import Context
    from patchkit.errors import NotReproducedError
    from patchkit.jobs.rebuild.job import rebuild as rebuilt_from
    from patchkit.jobs.rebuild.request import RebuildRequest
    from patchkit.processors import cores

    began = time.monotonic()
    request = RebuildRequest(
        manifest=manifest,
        names=artifact or [],
        source=source,
        git=git,
        openssl_sources=openssl_source or [],
        jobs=jobs or cores(),
        anyway=anyway,
        out=out,
    )
    context = Context.default(offline=offline, verbose=verbose)
    results = rebuilt_from(request, context)
    if as_json:
        print_document(results)
    else:
        print_table(results)
    context.ui.note(f"{time.monotonic() - began:.1f} s in all")
    differing = [file for result in results for file in result.files if not file.is_equal]
    if differing:
        lines = [line for file in differing for line in (file.lines or (f"{file.name}: sha256 {file.built}",))]
        context.ui.error(f"{differing[0].name} was not reproduced", "\n".join(lines), "")
        raise SystemExit(NotReproducedError.exit_code)

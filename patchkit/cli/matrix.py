"""``patchkit matrix``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli import completion
from patchkit.cli.error_handling import command
from patchkit.cli.options import (
    GitOption,
    JsonOption,
    NetworkTimeoutOption,
    OfflineOption,
    PatchOption,
    ShardOption,
    SinceOption,
    SourceOption,
)


@command
def matrix(
    git: GitOption = None,
    source: SourceOption = None,
    since: SinceOption = None,
    ref: Annotated[
        list[str] | None,
        typer.Option(
            "--ref",
            metavar="REF",
            help="Only this release, tag, branch or commit; may be repeated.",
            autocompletion=completion.versions,
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant", metavar="NAME", help="Only this one; may be repeated.", autocompletion=completion.variants
        ),
    ] = None,
    patch: PatchOption = None,
    shard: ShardOption = None,
    offline: OfflineOption = False,
    _: NetworkTimeoutOption = None,
    as_json: JsonOption = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    note: Annotated[
        Path | None,
        typer.Option(
            "--note",
            metavar="FILE",
            help="Write what was refused, for an issue: a title, then Markdown. Where nothing was, no FILE is written.",
        ),
    ] = None,
) -> None:
    """Report which variants apply to which releases, exactly: render, apply in memory, verify.

    \b
    Example: patchkit matrix --ref 2.6.14
    """
    from patchkit.cli.output.matrix import print_document, print_markdown, print_table, report_refusals, summary
    from patchkit.cli.output.refusals import write_note
    from patchkit.context import Context
    from patchkit.errors import BadUsageError
    from patchkit.jobs.matrix.collect_sources import MatrixRequest
    from patchkit.jobs.matrix.job import matrix as rows_of
    from patchkit.patching.own.choose import chosen
    from patchkit.shard import Shard
    from patchkit.source.obtain import SourceRequest

    if as_json and as_markdown:
        raise BadUsageError("--json and --markdown exclude each other")
    part = Shard.parse(shard) if shard else None
    request = MatrixRequest(SourceRequest(git=git, source=source), since, ref or [], chosen(variant, patch), part)
    request.validate()
    began = time.monotonic()
    context = Context.default(offline=offline)
    if note is not None:
        write_note([], note)  # one of another run must not be there when this one fails
    rows = rows_of(request, context)
    seconds = time.monotonic() - began
    if as_json:
        print_document(rows, seconds, part)
    elif as_markdown:
        print_markdown(rows)
    else:
        print_table(rows)
    failures = report_refusals(rows, context.ui)
    if note is not None:
        write_note(rows, note)
    context.ui.note(summary(rows, seconds))
    if failures:
        raise SystemExit(failures[0].exit_code)

"""``patchkit export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import (
    CheckCompileOption,
    FormatChoice,
    GitOption,
    GuardOption,
    JsonOption,
    NetworkTimeoutOption,
    OfflineOption,
    OptionalVersionOption,
    PatchOption,
    SourceOption,
    VariantOption,
    VulnerableOption,
)


@command
def export(
    *,
    version: OptionalVersionOption = None,
    variant: VariantOption = None,
    patch: PatchOption = None,
    guard: GuardOption = False,
    form: Annotated[
        FormatChoice, typer.Option("--format", help="The program that is to read it: quilt, git am, or patch.")
    ] = FormatChoice.quilt,
    git: GitOption = None,
    source: SourceOption = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Default: debian/patches for quilt, otherwise here.")
    ] = None,
    check_compile: CheckCompileOption = False,
    offline: OfflineOption = False,
    _: NetworkTimeoutOption = None,
    fail_on_vulnerable: VulnerableOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a variant's diffs for people who build elsewhere: with quilt, git am or patch.

    \b
    Example: patchkit export --version 2.6.14 --format git --to patches
    """
    from patchkit.cli.output.export import print_document, print_table
    from patchkit.cli.output.known_bad import warn_known_bad
    from patchkit.context import Context
    from patchkit.jobs.export import ExportRequest
    from patchkit.jobs.export import export as exported_by
    from patchkit.patching.combination import combination
    from patchkit.patching.own.choose import one
    from patchkit.source.obtain import SourceRequest

    context = Context.default(offline=offline)
    wanted = SourceRequest(version or "", git, source)
    wanted.check_named()
    request = ExportRequest(
        wanted,
        combination(one(variant, patch)),
        guard,
        form.value,
        to,
        check_compile,
        fail_on_vulnerable=fail_on_vulnerable,
    )
    warn_known_bad(request.variant, context.ui)
    exported = exported_by(request, context)
    if not exported.written:
        context.ui.step(f"Nothing has changed: {request.folder} holds it already")
    if as_json:
        print_document(request, exported)
    else:
        print_table(request, exported)

"""``patchkit prove``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.option_groups import CompileOptions
from patchkit.cli.options import (
    GitOption,
    JsonOption,
    NetworkTimeoutOption,
    OfflineOption,
    OptionalVersionOption,
    PatchOption,
    SourceOption,
    TargetOption,
    VariantOption,
    VerboseOption,
)


@command
def prove(
    *,
    version: OptionalVersionOption = None,
    variant: VariantOption = None,
    patch: PatchOption = None,
    target: TargetOption = "linux-amd64",
    git: GitOption = None,
    source: SourceOption = None,
    compiling: CompileOptions = CompileOptions(),
    configure: Annotated[
        list[str] | None,
        typer.Option("--configure", metavar="ARG", help="A further argument for configure; may be repeated."),
    ] = None,
    offline: OfflineOption = False,
    _: NetworkTimeoutOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Prove from object files that only the functions a variant names have changed, and none with the guard off.

    \b
    Example: patchkit prove --version 2.6.14 --variant recommended
    """
    from patchkit.cli.output.prove import print_document, print_table
    from patchkit.context import Context
    from patchkit.errors import NotProvenError
    from patchkit.jobs.prove.job import ProveRequest
    from patchkit.jobs.prove.job import prove as proof_of
    from patchkit.patching.own.choose import one
    from patchkit.source.obtain import SourceRequest

    began = time.monotonic()
    context = Context.default(offline=offline, verbose=verbose)
    wanted = SourceRequest(version or "", git, source)
    wanted.check_named()
    request = ProveRequest(wanted, one(variant, patch), compiling.settings(), target, configure or [])
    proof = proof_of(request, context)
    if as_json:
        print_document(proof)
    else:
        print_table(proof)
    context.ui.note(f"{time.monotonic() - began:.1f} s in all")
    if proof.failures:
        context.ui.error(f"not proven for {proof.variant} on {proof.release}", "\n".join(proof.failures), "")
        raise SystemExit(NotProvenError.exit_code)

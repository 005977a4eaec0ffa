"""``patchkit variants``."""

from __future__ import annotations

from typing import Annotated

import typer

from patchkit.cli import completion
from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption


@command
def variants(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|./PATH",
            help="Describe this one, or a patch or folder of your own.",
            autocompletion=completion.variants,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the variants, or describe one: what it does, whose it is, and what upstream's own code makes of it.

    \b
    Example: patchkit variants retransmit
    """
    from patchkit.cli.output.document import print_json
    from patchkit.cli.output.variants import document, print_list, print_one
    from patchkit.patching.own import load
    from patchkit.patching.variants import names, variant

    if name is not None:
        described = load.any_of(name) if load.is_path(name) else variant(name)
        if as_json:
            print_json(document(described))
        else:
            print_one(described)
        return
    known = [variant(each) for each in names()]
    if as_json:
        print_json([document(described) for described in known])
    else:
        print_list(known)

"""``patchkit image base``."""

from __future__ import annotations

from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import NetworkTimeoutOption


@command
def base(
    arch: Annotated[str, typer.Option("--arch", metavar="ARCH", help="Debian's name of the architecture.")] = "amd64",
    force: Annotated[bool, typer.Option("--force", help="Bootstrap the images even where they exist.")] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Use the images that have these names now, whatever was used before.")
    ] = False,
    _: NetworkTimeoutOption = None,
) -> None:
    """Bootstrap the base images from a Debian mirror, for places without an image registry.

    Builds use the image that was here at their first use, though its name may lead to another one later: --accept
    takes that one.

    \b
    Example: patchkit image base
    """
    from contextlib import closing

    from patchkit.building.engine import image
    from patchkit.building.engine.docker import connect, daemon_errors
    from patchkit.building.toolchain_table import bases
    from patchkit.context import Context
    from patchkit.errors import BadUsageError
    from patchkit.ui import table

    if accept and force:
        raise BadUsageError("--accept and --force exclude each other", why="one takes an image, the other makes one")
    context, rows = Context.default(), []
    with closing(connect()) as client, daemon_errors():
        for known in bases():
            taken = image.accept(client, known, arch) if accept else image.current(client, known, arch)
            if force or taken is None:
                taken = image.bootstrap(client, known, arch, context)
            changed = image.changed_line(client, known, arch)
            if changed:
                context.ui.warn(changed)
            rows.append((known.image, taken.id, image.digest(taken, known) or "of no registry"))
    table(("image", "id", "digest"), rows)

"""``patchkit image base``."""

from __future__ import annotations

from typing import Annotated

import typer

from patchkit.cli.error_handling import command


@command
def base(
    arch: Annotated[str, typer.Option("--arch", metavar="ARCH", help="Debian's name of the architecture.")] = "amd64",
    force: Annotated[bool, typer.Option("--force", help="Bootstrap the images even where they exist.")] = False,
) -> None:
    """Bootstrap the base images from a Debian mirror, for places without an image registry.

    \b
    Example: patchkit image base
    """
    from contextlib import closing

    from patchkit.building.engine.docker import connect, daemon_errors
    from patchkit.building.engine.image import bootstrap, local
    from patchkit.building.toolchain import bases
    from patchkit.context import Context
    from patchkit.ui import table

    context, rows = Context.default(), []
    with closing(connect()) as client, daemon_errors():
        for known in bases():
            existing = None if force else local(client, known.image)
            image = existing or bootstrap(client, known, arch, context)
            rows.append((known.image, image.id))
    table(("image", "id"), rows)

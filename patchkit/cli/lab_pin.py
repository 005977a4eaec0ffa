"""``patchkit lab pin``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import NetworkTimeoutOption


@command
def pin(
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Where the list goes.")],
    mirror: Annotated[
        str | None, typer.Option("--mirror", metavar="URL", help="A Debian mirror; default: apt's.")
    ] = None,
    _: NetworkTimeoutOption = None,
) -> None:
    """List the packages that the lab's guest would be made of today, for PATCHKIT_GUEST, by Debian's signed index.

    \b
    Example: patchkit lab pin --to guest.toml
    """
    from patchkit.context import Context
    from patchkit.lab.guest.pin_packages import current, text
    from patchkit.storage import replace_all

    context = Context.default()
    pins = current(context, mirror)
    replace_all({to: text(pins).encode()})
    context.ui.note(f"{to}: {len(pins.package)} packages of {pins.suite}, Linux {pins.kernel}")

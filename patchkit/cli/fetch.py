"""``patchkit fetch``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import GitOption, JsonOption, NetworkTimeoutOption, OfflineOption, VersionOption


@command
def fetch(
    version: VersionOption,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Unpack the source into this new folder.")
    ] = None,
    git: GitOption = None,
    offline: OfflineOption = False,
    _: NetworkTimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch and verify a release's source; print where it is.

    \b
    Example: patchkit fetch --version 2.6.14 --to openvpn-2.6.14
    """
    from dataclasses import asdict

    from patchkit.cli.output.document import print_json
    from patchkit.context import Context
    from patchkit.source.obtain import SourceRequest, obtain
    from patchkit.source.tree.write import place
    from patchkit.ui import data

    context = Context.default(offline=offline)
    obtained = obtain(SourceRequest(version, git), context)
    origin = obtained.tree.origin
    if to is not None:
        place(obtained.tree, to)
    path = to if to is not None else context.cache.downloads / origin.name if origin.kind == "tarball" else None
    if as_json:
        print_json({"release": obtained.label, "path": str(path) if path else None, **asdict(origin)})
    elif path is not None:
        data(f"{path}\n")
    else:
        data(f"{origin.name} {origin.commit}\n")

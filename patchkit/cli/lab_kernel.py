"""``patchkit lab kernel``."""

from __future__ import annotations

from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption, NetworkTimeoutOption, OfflineOption


@command
def kernel(
    offline: OfflineOption = False,
    _: NetworkTimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the lab's kernel where the cache has none, and print what it is.

    \b
    Example: patchkit lab kernel
    """
    from dataclasses import asdict

    from patchkit.cli.output.document import print_json
    from patchkit.context import Context
    from patchkit.lab.guest.kernel import obtain
    from patchkit.ui import table

    made = obtain.kernel(Context.default(offline=offline))
    described = {**asdict(made), "size": made.program.stat().st_size}
    if as_json:
        print_json(described)
    else:
        table(("", ""), [(name, str(value)) for name, value in described.items()])

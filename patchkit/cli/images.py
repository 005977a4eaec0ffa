"""``patchkit image base``."""

from __future__ import annotations

from contextlib import closing

from patchkit.building.engine.docker import connect, daemon_errors
from patchkit.building.engine.image import bootstrap, local
from patchkit.building.toolchain import bases
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.ui import Ui, table


def make_bases(*, arch: str, force: bool) -> None:
    ui, rows = Ui(), []
    with closing(connect()) as client, daemon_errors():
        for base in bases():
            found = None if force else local(client, base.image)
            made = found or bootstrap(client, base, arch, Context(Cache.default(), ui))
            rows.append((base.image, made.id))
    table(("image", "id"), rows)

"""``patchkit image base``."""

from __future__ import annotations

from contextlib import closing

from patchkit.building.docker import connect
from patchkit.building.image import base_image, bootstrap
from patchkit.building.toolchain import bases
from patchkit.source.cache import Cache
from patchkit.ui import Ui, table


def make_bases(*, force: bool) -> None:
    ui, rows = Ui(), []
    with closing(connect()) as client:
        for base in bases():
            if force:
                made = bootstrap(client, base, ui)
            else:
                made = base_image(client, base, Cache.default(), ui, offline=False)
            rows.append((base.image, made.id))
    table(("image", "id"), rows)

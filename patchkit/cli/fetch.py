"""``patchkit fetch``: where the verified source is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from patchkit.cache import Cache
from patchkit.cli.error_handling import print_json
from patchkit.context import Context
from patchkit.source.obtain import Request, obtain
from patchkit.source.tree.write import place
from patchkit.ui import Ui, data


def run(*, version: str, to: Path | None, git: str | None, offline: bool, as_json: bool) -> None:
    cache = Cache.default()
    ui = Ui()
    obtained = obtain(Request(version=version, git=git), Context(cache, ui, offline))
    origin = obtained.tree.origin
    if to is not None:
        place(obtained.tree, to)
    where = to if to is not None else cache.downloads / origin.name if origin.kind == "tarball" else None
    if as_json:
        print_json({"release": obtained.label, "path": str(where) if where else None, **asdict(origin)})
    elif where is not None:
        data(f"{where}\n")
    else:
        data(f"{origin.name} {origin.commit}\n")

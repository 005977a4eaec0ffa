"""``patchkit render`` and ``patchkit apply``."""

from __future__ import annotations

import hashlib
from pathlib import Path

from patchkit.cache import Cache
from patchkit.cli.error_handling import print_json
from patchkit.context import Context
from patchkit.errors import BadSourceError
from patchkit.patching.apply import write_all
from patchkit.patching.combination import Combination, combination
from patchkit.patching.render import render
from patchkit.source.obtain import Request, obtain
from patchkit.source.tree.directory import tree_from
from patchkit.ui import Ui, data, table


def render_to_stdout(
    *, version: str, variant: str, guard: bool, git: str | None, source: Path | None, offline: bool
) -> None:
    ui = Ui()
    found = combination(variant)
    warn_known_bad(found, ui)
    request = Request(version=version, git=git, source=source)
    obtained = obtain(request, Context(Cache.default(), ui, offline))
    rendered = render(found, obtained.tree, obtained.label, series=obtained.series, guard=guard)
    data(rendered.diff.decode("utf-8", "surrogateescape"))


def apply_to(directory: Path, *, variant: str, guard: bool, as_json: bool) -> None:
    found = combination(variant)
    warn_known_bad(found, Ui())
    if not directory.is_dir():
        raise BadSourceError(f"there is no folder {directory}", advice="patchkit fetch --version V --to DIR")
    rendered = render(found, tree_from(directory), "a tree at hand", guard=guard)
    write_all(directory, rendered.files)
    sums = {path: hashlib.sha256(data).hexdigest() for path, data in rendered.files.items()}
    if as_json:
        files = [{"path": path, "sha256": digest} for path, digest in sums.items()]
        print_json({"variant": found.name, "guard": guard, "diff_sha256": rendered.sha256, "files": files})
    else:
        table(("patched", "sha256"), list(sums.items()))


def warn_known_bad(combined: Combination, ui: Ui) -> None:
    """A diff may be looked at; nobody shall take it for a cure."""
    for part in combined.parts:
        if part.status == "known-bad":
            ui.warn(f"{part.name} is known to be bad: patchkit variants {part.name} says why")

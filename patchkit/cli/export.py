"""``patchkit export``: the diffs in the form that quilt, ``git am`` or ``patch`` reads."""

from __future__ import annotations

import hashlib
from pathlib import Path

from patchkit.cache import Cache
from patchkit.cli.error_handling import print_json
from patchkit.cli.patch import warn_known_bad
from patchkit.context import Context
from patchkit.jobs.export import Exported, Wanted, export
from patchkit.patching.combination import combination
from patchkit.patching.formats.export import Format
from patchkit.source.obtain import Request
from patchkit.ui import Ui, table


def run(
    *,
    version: str,
    variant: str,
    guard: bool,
    form: Format,
    git: str | None,
    source: Path | None,
    to: Path | None,
    offline: bool,
    as_json: bool,
) -> None:
    ui = Ui()
    wanted = Wanted(
        request=Request(version=version, git=git, source=source),
        variant=combination(variant),
        guard=guard,
        form=form,
        folder=to or Path("debian/patches" if form == "quilt" else "."),
    )
    warn_known_bad(wanted.variant, ui)
    exported = export(wanted, Context(Cache.default(), ui, offline))
    if not exported.written:
        ui.step(f"Nothing has changed: {wanted.folder} holds it already")
    if as_json:
        print_json(_document(wanted, exported))
    else:
        table(("file", "sha256"), [(str(wanted.folder / name), _sha256(data)) for name, data in exported.files.items()])


def _document(wanted: Wanted, exported: Exported) -> dict[str, object]:
    return {
        "release": exported.label,
        "variant": wanted.variant.name,
        "guard": wanted.guard,
        "format": wanted.form,
        "folder": str(wanted.folder),
        "files": [
            {"name": name, "sha256": _sha256(data), "size": len(data), "written": name in exported.written}
            for name, data in exported.files.items()
        ],
    }


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

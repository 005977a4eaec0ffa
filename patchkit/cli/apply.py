"""``patchkit apply``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import CheckCompileOption, GuardOption, JsonOption, PatchOption, VariantOption


@command
def apply(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="An OpenVPN source tree.")],
    variant: VariantOption = None,
    patch: PatchOption = None,
    guard: GuardOption = False,
    check_compile: CheckCompileOption = False,
    as_json: JsonOption = False,
) -> None:
    """Apply a variant to a source tree of your own: exactly, or not at all.

    \b
    Example: patchkit apply openvpn-2.6.14 --variant recommended
    """
    import hashlib

    from patchkit.cli.output.document import print_json
    from patchkit.cli.output.known_bad import warn_known_bad
    from patchkit.errors import BadSourceError
    from patchkit.patching.apply import write_all
    from patchkit.patching.combination import combination
    from patchkit.patching.own.choose import one
    from patchkit.patching.render import render
    from patchkit.source.tree.directory import tree_from
    from patchkit.ui import Ui, table

    combined = combination(one(variant, patch))
    warn_known_bad(combined, Ui())
    if not directory.is_dir():
        raise BadSourceError(f"there is no folder {directory}", advice="patchkit fetch --version V --to DIR")
    tree = tree_from(directory)
    rendered = render(combined, tree, "a tree at hand", guard=guard)
    if check_compile:
        from patchkit.building.settings import BuildSettings
        from patchkit.context import Context
        from patchkit.jobs.check_compile import check_compile as compiled
        from patchkit.source.obtain import SourceRequest, obtain

        context = Context.default(offline=False)
        obtained = obtain(SourceRequest(source=directory), context)
        compiled(obtained, rendered, context, BuildSettings(engine="host"))
    write_all(directory, rendered.files, [path for path in rendered.files if path not in tree])
    sums = {path: hashlib.sha256(data).hexdigest() for path, data in rendered.files.items()}
    if as_json:
        files = [{"path": path, "sha256": digest} for path, digest in sums.items()]
        print_json({"variant": combined.name, "guard": guard, "diff_sha256": rendered.sha256, "files": files})
    else:
        table(("patched", "sha256"), list(sums.items()))

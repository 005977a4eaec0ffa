"""``patchkit variants``."""

from __future__ import annotations

from typing import Annotated

import typer

from patchkit.cli import completion
from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption
from patchkit.errors import BadUsageError


@command
def variants(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|./PATH",
            help="Describe this one, or a patch or folder of your own.",
            autocompletion=completion.variants,
        ),
    ] = None,
    folder: Annotated[
        str | None, typer.Argument(metavar="FOLDER", help="With NAME new: lay out the folder of a new variant.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the variants, or describe one: what it does, whose it is, and what upstream's own code makes of it.
    `variants new FOLDER` lays out the folder of one of your own.

    \b
    Example: patchkit variants recommended
    """
    from patchkit.cli.output.document import print_json
    from patchkit.cli.output.variants import document, print_list, print_one
    from patchkit.patching.own import load
    from patchkit.patching.variants import names, variant

    if name == "new":
        _lay_out(folder, as_json=as_json)
        return
    if folder is not None:
        raise BadUsageError("one name at a time", why="two go with new alone", advice="patchkit variants new FOLDER")
    if name is not None:
        described = load.any_of(name) if load.is_path(name) else variant(name)
        if as_json:
            print_json(document(described))
        else:
            print_one(described)
        return
    known = [variant(each) for each in names()]
    if as_json:
        print_json([document(described) for described in known])
    else:
        print_list(known)


def _lay_out(folder: str | None, *, as_json: bool) -> None:
    from patchkit.cli.output.document import print_json
    from patchkit.patching.own.layout import lay_out
    from patchkit.ui import Ui, data

    if folder is None:
        raise BadUsageError("the new variant's folder is not named", advice="patchkit variants new my-change")
    files = lay_out(folder)
    if as_json:
        print_json({"files": {name: str(path) for name, path in files.items()}})
    else:
        data("".join(f"{path}\n" for path in files.values()))
    ui = Ui()
    path = next(iter(files.values())).parent
    shown = path if path.is_absolute() else f"./{path}"
    ui.note(f"an example that applies to every release: patchkit matrix --variant {shown}")

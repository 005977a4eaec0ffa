"""The commands by name, each from its own module; what a command does is imported when it runs."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from patchkit import __version__
from patchkit.cli.help_format import Commands
from patchkit.cli.parsing import Command
from patchkit.ui import data

COMMANDS = (
    "build",
    "rebuild",
    "render",
    "apply",
    "export",
    "matrix",
    "port",
    "prove",
    "verify",
    "fetch",
    "releases",
    "variants",
    "diagnose",
    "doctor",
)
"""Commands without a group, in the order of the help: ``patchkit NAME`` is ``NAME`` in ``patchkit.cli.NAME``."""
GROUPS = {
    "artifact": ("Artifacts that were built: signing and checking them.", ("check", "sign")),
    "image": ("Images of the docker engine.", ("base",)),
    "dist": ("Folders of artifacts.", ("merge",)),
    "mirror": ("Folders that hold all that builds need, for places without a network.", ("sync", "verify")),
    "lab": (
        "Patched against stock on lossy links, with real netem.",
        ("run", "merge", "compare", "scenarios", "replay", "kernel", "pin"),
    ),
}
"""``patchkit GROUP NAME`` is ``NAME`` in ``patchkit.cli.GROUP_NAME``."""


def _group(text: str, **settings: object) -> typer.Typer:
    return typer.Typer(cls=Commands, help=text, no_args_is_help=True, rich_markup_mode=None, **settings)  # type: ignore[arg-type]


def _register(group: typer.Typer, names: tuple[str, ...], prefix: str = "") -> None:
    for name in names:
        group.command(name, cls=Command)(getattr(import_module(f"patchkit.cli.{prefix}{name}"), name))


app = _group(
    "Verify, patch, build and prove OpenVPN releases.",
    name="patchkit",
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_register(app, COMMANDS)
for _name, (_help, _commands) in GROUPS.items():
    _subgroup = _group(_help)
    _register(_subgroup, _commands, f"{_name}_")
    app.add_typer(_subgroup, name=_name)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        data(f"patchkit {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print patchkit's version."),
    ] = False,
) -> None:
    pass

"""The command line: parse, call, print. ``--help`` must stay fast, so commands import their rooms when they run."""

from __future__ import annotations


def main() -> None:
    """The entry point of the ``patchkit`` command."""
    from patchkit import encoding
    from patchkit.cli.app import app

    encoding.install()
    app(prog_name="patchkit")

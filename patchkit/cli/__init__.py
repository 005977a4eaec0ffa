"""The command line: parse, call, print. ``--help`` must stay fast, so a command imports its job when it runs."""

from __future__ import annotations


def main() -> None:
    """Run the ``patchkit`` command: its entry point."""
    from patchkit import encoding
    from patchkit.cli.app import app

    encoding.install()
    app(prog_name="patchkit")

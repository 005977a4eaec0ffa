"""The command line: parse, call, print. ``--help`` must stay fast, so a command imports its job when it runs."""

from __future__ import annotations


def main() -> None:
    """Run the ``patchkit`` command: its entry point."""
    import sys

    import typer

    from patchkit import encoding, streams

    streams.install()
    encoding.install()
    from patchkit.cli.app import app
    from patchkit.cli.error_handling import reporting_errors

    # Commands end by themselves: an OSError that comes here is one of click's, of writing a help text.
    with reporting_errors(as_json="--json" in sys.argv[1:]), streams.taking_all():
        code = typer.main.get_command(app).main(prog_name="patchkit", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)

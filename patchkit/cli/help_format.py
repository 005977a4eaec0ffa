"""Groups of commands, whose list never cuts a sentence short."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

_WHOLE = 1000  # letters: a limit that no first sentence reaches


class Commands(TyperGroup):
    """Wraps what each command does, where click ends it with dots."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one row a command: its name, and the first sentence of its help."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, command.get_short_help_str(_WHOLE))
            for name, command in commands
            if command is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

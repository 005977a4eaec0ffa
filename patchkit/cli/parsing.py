"""Commands that take no value for another one: an empty one is refused, and a second one that would not count."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

SEVERAL = {
    "--variant": "this command makes one source; a+b has both in it",
    "--target": "this command is for one target",
}
"""Options that some commands take several times and others once, and why those do."""


class Command(TyperCommand):
    """Refuses an empty value, as a script gives with a variable that is not set: an empty path is the current folder.

    Refuses an option twice that other commands take several times; click would take the last one, and be silent.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse ``args``. Raises what click raises, and BadParameter for what the class refuses."""
        takers = {name: param for param in self.params for name in param.opts if not getattr(param, "is_flag", False)}
        given: set[str] = set()
        waiting = ""  # the option whose value comes next
        for word in args:
            name, equals, value = word.partition("=")
            if waiting or not word:
                if not word:
                    raise _refused(ctx, f"{waiting or 'an argument'} is given with an empty value", _UNSET)
                waiting = ""
                continue
            if word == "--":
                break
            param = takers.get(name)
            if param is None:
                continue
            if equals and not value:
                raise _refused(ctx, f"{name} is given with an empty value", _UNSET)
            if name in given and name in SEVERAL and not getattr(param, "multiple", False):
                raise _refused(ctx, f"{name} is given twice", SEVERAL[name])
            given.add(name)
            waiting = "" if equals else name
        return super().parse_args(ctx, args)


_UNSET = "is a variable of your script not set?"


def _refused(ctx: Any, what: str, why: str) -> typer.BadParameter:
    return typer.BadParameter(f"{what}: {why}", ctx=ctx)

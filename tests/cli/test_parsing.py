"""Which options are refused a second time: those that users of other commands repeat."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import typer

from patchkit.cli.app import app
from patchkit.cli.parsing import SEVERAL


def options(command: Any) -> list[tuple[str, bool]]:
    found = [
        (name, bool(getattr(param, "multiple", False)))
        for param in command.params
        for name in param.opts
        if name.startswith("--")
    ]
    return found + [each for below in getattr(command, "commands", {}).values() for each in options(below)]


def test_all_options_that_only_some_commands_take_several_times() -> None:
    ways: dict[str, set[bool]] = defaultdict(set)
    for name, is_multiple in options(typer.main.get_command(app)):
        ways[name].add(is_multiple)
    assert {name for name, found in ways.items() if len(found) > 1} == set(SEVERAL)

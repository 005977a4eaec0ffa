"""``patchkit lab scenarios``."""

from __future__ import annotations

from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption


@command
def scenarios(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE", help="Scenarios of your own instead.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the scenarios; --json shows each field of each.

    \b
    Example: patchkit lab scenarios
    """
    from patchkit.cli.output.document import print_json
    from patchkit.jobs.lab.request import chosen_scenarios
    from patchkit.lab.model.scenario import built_in
    from patchkit.ui import table

    listed = chosen_scenarios(files, {}) if files else dict(built_in())
    if as_json:
        print_json({name: scenario.model_dump(mode="json") for name, scenario in listed.items()})
    else:
        rows = [(name, scenario.runs, scenario.summary) for name, scenario in listed.items()]
        table(("name", "runs", "what it is"), rows)

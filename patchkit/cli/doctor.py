"""``patchkit doctor``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption, NetworkTimeoutOption, PurposeChoice

if TYPE_CHECKING:
    from patchkit.jobs.doctor.distribution import Step
    from patchkit.ui import Ui


@command
def doctor(
    purpose: Annotated[
        list[PurposeChoice] | None,
        typer.Argument(metavar="PURPOSE", help="build, windows, lab, matrix or verify. Default: all of them."),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Run the commands that help, as root, then test again.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --fix: do not ask.")] = False,
    _: NetworkTimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Test what patchkit needs here: run a container, compile, boot the lab's guest, reach a mirror.

    Each probe works, is missing or is broken, with the command that repairs it on this distribution. The exit code is
    90 unless all that the purposes need works.

    \b
    Example: patchkit doctor build
    """
    from patchkit.cli.output.doctor import print_document, print_table, report_help, report_not_ready
    from patchkit.context import Context
    from patchkit.errors import BadUsageError, NotReadyError
    from patchkit.jobs.doctor import repair
    from patchkit.jobs.doctor.checks import examine, readiness
    from patchkit.jobs.doctor.distribution import this

    if yes and not fix:
        raise BadUsageError("--yes goes with --fix")
    if fix and not yes and not sys.stdin.isatty():
        raise BadUsageError("there is no terminal to ask on", why="stdin is not a terminal", advice="--fix --yes")
    purposes = [choice.value for choice in purpose or []]
    context, distribution = Context.default(), this()
    findings = list(examine(purposes, distribution, context))
    steps = repair.plan(findings, distribution)
    if fix and steps and (yes or _is_agreed(steps, context.ui)):
        repair.run(steps, context.ui)
        findings = list(examine(purposes, distribution, context))
    ready = readiness(purposes, findings)
    if as_json:
        print_document(distribution, findings, ready)
    else:
        print_table(findings)
    report_help(findings, ready, context.ui)
    if not all(purpose.works for purpose in ready):
        steps, line = repair.plan(findings, distribution), repair.as_root(findings, ready, distribution)
        report_not_ready(ready, steps, line, context.ui)
        raise SystemExit(NotReadyError.exit_code)


def _is_agreed(steps: Sequence[Step], ui: Ui) -> bool:
    """Ask on the terminal whether ``steps`` may run; on stderr, since it is not data."""
    from patchkit.jobs.doctor import repair

    ui.step("These commands help:")
    for step in steps:
        ui.note(repair.shown(step))
    return ui.ask("Run them? [y/N]").lower() in ("y", "yes")

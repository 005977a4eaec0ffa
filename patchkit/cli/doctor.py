"""``patchkit doctor``: what works here, and what mends the rest."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict

from patchkit.cache import Cache
from patchkit.cli.error_handling import print_json
from patchkit.context import Context
from patchkit.errors import BadUsageError, NotReadyError
from patchkit.jobs.doctor import repair
from patchkit.jobs.doctor.checks import Readiness, examine, readiness
from patchkit.jobs.doctor.distribution import Distribution, Step, this
from patchkit.jobs.doctor.model import ProbeResult, State
from patchkit.ui import Painted, Ui, table

_COLOURS: dict[State, str] = {"works": "green", "missing": "yellow", "broken": "bold red"}


def run(*, purposes: Sequence[str], fix: bool, yes: bool, as_json: bool) -> None:
    if yes and not fix:
        raise BadUsageError("--yes goes with --fix")
    if fix and not yes and not sys.stdin.isatty():
        raise BadUsageError("nobody is there to be asked", why="stdin is no terminal", advice="--fix --yes")
    ui, distribution = Ui(), this()
    found = list(examine(purposes, distribution, Context(Cache.default(), ui)))
    steps: list[Step] = repair.plan(found, distribution)
    if fix and steps and (yes or _agreed(steps, ui)):
        repair.run(steps, ui)
        found = list(examine(purposes, distribution, Context(Cache.default(), ui)))
    ready = readiness(purposes, found)
    if as_json:
        print_json(_document(distribution, found, ready))
    else:
        rows = [(one.name, Painted(one.state, _COLOURS[one.state]), one.needed_for, one.detail) for one in found]
        table(("what", "state", "needed for", "detail"), rows)
    _say(found, ready, ui)
    lacking = [one for one in ready if not one.works]
    if lacking:
        steps = repair.plan(found, distribution)
        raise SystemExit(_not_ready(lacking, steps, ui))


def _agreed(steps: Sequence[Step], ui: Ui) -> bool:
    """Asked on the terminal; talk, so on stderr."""
    ui.step("These commands help:")
    for step in steps:
        ui.note(repair.shown(step))
    print("Run them? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _say(found: Sequence[ProbeResult], ready: Sequence[Readiness], ui: Ui) -> None:
    for one in found:
        for text in filter(None, (one.fix, one.advice)):
            ui.note(f"{one.name}: {text}")
    for purpose in ready:
        how = f", by {' and '.join(purpose.by)}" if purpose.by else ""
        ui.note(f"{purpose.purpose}: " + (f"ready{how}" if purpose.works else f"lacks {', '.join(purpose.lacks)}"))


def _not_ready(lacking: Sequence[Readiness], steps: Sequence[Step], ui: Ui) -> int:
    advice = "patchkit doctor --fix" if steps else ""
    why = "\n".join(f"{one.purpose} lacks {', '.join(one.lacks)}" for one in lacking)
    ui.error(f"not ready for {', '.join(one.purpose for one in lacking)}", why, advice)
    return NotReadyError.exit_code


def _document(
    distribution: Distribution, found: Sequence[ProbeResult], ready: Sequence[Readiness]
) -> dict[str, object]:
    return {
        "distribution": distribution.name,
        "package_manager": distribution.manager or None,
        "findings": [asdict(one) for one in found],
        "purposes": [asdict(one) for one in ready],
    }

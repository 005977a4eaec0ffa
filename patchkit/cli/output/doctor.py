"""What ``patchkit doctor`` prints: what works, what does not, and what helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from patchkit.cli.output.document import print_json
from patchkit.jobs.doctor.checks import Readiness
from patchkit.jobs.doctor.distribution import Distribution, Step
from patchkit.jobs.doctor.model import ProbeResult, State
from patchkit.ui import Painted, Ui, table

_COLOURS: dict[State, str] = {"works": "green", "missing": "yellow", "broken": "bold red"}


def print_table(findings: Sequence[ProbeResult]) -> None:
    """Print a row for each thing that was tested."""
    rows = [
        (finding.name, Painted(finding.state, _COLOURS[finding.state]), finding.needed_for, finding.detail)
        for finding in findings
    ]
    table(("what", "state", "needed for", "detail"), rows)


def print_document(distribution: Distribution, findings: Sequence[ProbeResult], ready: Sequence[Readiness]) -> None:
    """Print all findings, and whether each purpose can be served, as JSON."""
    print_json(
        {
            "distribution": distribution.name,
            "package_manager": distribution.manager or None,
            "findings": [asdict(finding) for finding in findings],
            "purposes": [asdict(purpose) for purpose in ready],
        }
    )


def report_help(findings: Sequence[ProbeResult], ready: Sequence[Readiness], ui: Ui) -> None:
    """Print on stderr what helps with each finding where no command does, and whether each purpose is ready."""
    for finding in findings:
        if finding.advice:
            ui.note(f"{finding.name}: {finding.advice}")
    for purpose in ready:
        how = f", by {' and '.join(purpose.by)}" if purpose.by else ""
        ui.note(f"{purpose.purpose}: " + (f"ready{how}" if purpose.works else f"lacks {', '.join(purpose.lacks)}"))


def report_not_ready(ready: Sequence[Readiness], steps: Sequence[Step], as_root: str, ui: Ui) -> None:
    """Print the error for the purposes that are not ready, on stderr, with the one line that root has to run."""
    lacking = [purpose for purpose in ready if not purpose.works]
    why = "\n".join(f"{purpose.purpose} lacks {', '.join(purpose.lacks)}" for purpose in lacking)
    advice = f"as root: {as_root}" if as_root else "patchkit doctor --fix" if steps else ""
    ui.error(f"not ready for {', '.join(purpose.purpose for purpose in lacking)}", why, advice)

"""What ``patchkit artifact check`` prints: which signature covers which file."""

from __future__ import annotations

from dataclasses import asdict

from patchkit.cli.output.document import error_document, print_json
from patchkit.jobs.artifact.check import Checked
from patchkit.ui import table


def print_table(checked: Checked) -> None:
    """Print a row for each file and what vouches for it."""
    table(
        ("what", "by", "state", "detail"),
        [(finding.what, finding.by, finding.state, finding.detail) for finding in checked.findings],
    )


def print_document(checked: Checked) -> None:
    """Print the findings as JSON."""
    print_json(
        {
            "folder": str(checked.folder),
            "good": checked.error is None,
            "summary": checked.summary,
            "findings": [asdict(finding) for finding in checked.findings],
            "error": error_document(checked.error) if checked.error else None,
        }
    )

"""What ``patchkit mirror`` prints: what a mirror holds, and whether each file of it is as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from patchkit.cli.output.document import print_json
from patchkit.jobs.mirror.check import Finding
from patchkit.jobs.mirror.sync import Synced
from patchkit.ui import Painted, table


def print_index(synced: Synced) -> None:
    """Print a row for each file and tag of the mirror."""
    rows: list[tuple[str, str, str, str]] = [
        (file.name, file.kind, f"{file.size}", file.sha256) for file in synced.index.files
    ]
    rows += [(tag.tag, "tag", "", tag.commit) for tag in synced.index.tags]
    table(("name", "kind", "bytes", "sha256 or commit"), rows)


def print_index_document(synced: Synced, folder: Path) -> None:
    """Print the mirror's index, and what builds from the mirror need besides, as JSON."""
    print_json(
        {
            **synced.index.model_dump(),
            "folder": str(folder),
            "engine": synced.engine,
            "packages": list(synced.packages),
            "options": list(synced.options),
        }
    )


def print_findings(findings: Sequence[Finding]) -> None:
    """Print a row for each file and tag, with its verdict."""
    rows = [(finding.name, _painted(finding), finding.vouched, finding.detail) for finding in findings]
    table(("name", "verdict", "vouched for by", ""), rows)


def print_findings_document(findings: Sequence[Finding], folder: Path) -> None:
    """Print all findings as JSON."""
    print_json({"folder": str(folder), "findings": [vars(finding) for finding in findings]})


def _painted(finding: Finding) -> Painted:
    return Painted(finding.verdict, "bold red" if finding.bad else "green" if finding.verdict == "good" else "yellow")

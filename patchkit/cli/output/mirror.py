"""What ``patchkit mirror`` prints: what a mirror holds, and whether each file of it is as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from patchkit.cli.output.document import print_json
from patchkit.jobs.mirror.check import FileCheck
from patchkit.jobs.mirror.sync import SyncedMirror
from patchkit.ui import Painted, table


def print_index(synced: SyncedMirror) -> None:
    """Print a row for each file and tag of the mirror."""
    rows: list[tuple[str, str, str, str]] = [
        (file.name, file.kind, f"{file.size}", file.sha256) for file in synced.index.files
    ]
    rows += [(tag.tag, "tag", "", tag.commit) for tag in synced.index.tags]
    table(("name", "kind", "bytes", "sha256 or commit"), rows)


def print_index_document(synced: SyncedMirror, folder: Path) -> None:
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


def print_checks(checks: Sequence[FileCheck]) -> None:
    """Print a row for each file and tag, with its verdict."""
    rows = [(check.name, _painted(check), check.vouched, check.detail) for check in checks]
    table(("name", "verdict", "vouched for by", ""), rows)


def print_checks_document(checks: Sequence[FileCheck], folder: Path) -> None:
    """Print all checks as JSON."""
    print_json({"folder": str(folder), "findings": [vars(check) for check in checks]})


def _painted(check: FileCheck) -> Painted:
    return Painted(check.verdict, "bold red" if check.bad else "green" if check.verdict == "good" else "yellow")

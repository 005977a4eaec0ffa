"""What ``patchkit rebuild`` prints: a row for each file, or all of it as a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from patchkit.cli.output.document import print_json
from patchkit.jobs.rebuild.job import Rebuilt
from patchkit.ui import table


def print_table(results: Sequence[Rebuilt]) -> None:
    """Print whether each file is the same to the byte."""
    rows = [
        (file.name, result.engine, "equal" if file.is_equal else "DIFFERS", file.expected)
        for result in results
        for file in result.files
    ]
    table(("file", "engine", "built again", "sha256"), rows)


def print_document(results: Sequence[Rebuilt]) -> None:
    """Print the comparison of each file as JSON."""
    print_json(
        {
            "equal": all(result.is_equal for result in results),
            "artifacts": [{**asdict(result), "equal": result.is_equal} for result in results],
        }
    )

"""What ``patchkit build`` prints: a row for each file, or a document with each artifact's manifest entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from patchkit.cli.output.document import error_document, print_json
from patchkit.jobs.build.outcome import Outcome, ReleaseOutcome
from patchkit.ui import Ui, table


def report_errors(results: Sequence[ReleaseOutcome], ui: Ui) -> None:
    """Print the error of each release and variant that failed, and the targets that were left out, on stderr."""
    for result in results:
        if result.left_out is not None:
            ui.note(f"{result.target} is left out: {result.left_out.what}; {result.left_out.advice}")
        if result.error is not None:
            ui.error(
                f"{result.version} for {result.target}: {result.error.what}", result.error.why, result.error.advice
            )
        for outcome in result.outcomes:
            if outcome.error is not None:
                name = (
                    f"{result.version} {outcome.variant} for {result.target}" if len(results) > 1 else outcome.variant
                )
                ui.error(f"{name}: {outcome.error.what}", outcome.error.why, outcome.error.advice)


def print_document(results: Sequence[ReleaseOutcome], out: Path) -> None:
    """Print each outcome, what failed before any variant was built, and what was left out, as JSON."""
    print_json(
        {
            "outcomes": [_document(result, outcome, out) for result in results for outcome in result.outcomes],
            "failed": [{**_which(result), **error_document(result.error)} for result in results if result.error],
            "left_out": [
                {**_which(result), **error_document(result.left_out)} for result in results if result.left_out
            ],
        }
    )


def print_table(results: Sequence[ReleaseOutcome], out: Path) -> None:
    """Print a row for each file in the folder ``out``; nothing where no artifact was built.

    Of several targets, each has its name in front, and a row with the reason where it was not built.
    """
    several = len({result.target for result in results}) > 1
    rows = [row for result in results for row in _rows(result, out)]
    if several:
        reasons = [row for result in results for row in _reasons(result)]
        table(("target", "file", "size", "time", "sha256"), [*rows, *reasons])
    elif rows:
        table(("file", "size", "time", "sha256"), [row[1:] for row in rows])


def _rows(result: ReleaseOutcome, out: Path) -> Iterator[tuple[str, ...]]:
    for outcome in result.outcomes:
        for file in (*outcome.artifact.files, *outcome.artifact.packages) if outcome.artifact else ():
            took = f"{outcome.seconds:.1f} s" if outcome.fresh else "-"
            yield result.target, str(out / file.name), _size(file.size), took, file.sha256


def _reasons(result: ReleaseOutcome) -> Iterator[tuple[str, ...]]:
    """Yield rows for what was not built."""
    if result.left_out is not None:
        yield result.target, f"left out: {result.left_out.what}", "-", "-", "-"
    for error in [result.error, *(outcome.error for outcome in result.outcomes)]:
        if error is not None:
            yield result.target, f"failed ({error.exit_code}): {error.what}", "-", "-", "-"


def _size(count: int) -> str:
    return (
        f"{count} B" if count < 10_000 else f"{count / 1000:.0f} kB" if count < 10_000_000 else f"{count / 1e6:.1f} MB"
    )


def _which(result: ReleaseOutcome) -> dict[str, object]:
    return {"version": result.version, "target": result.target}


def _document(result: ReleaseOutcome, outcome: Outcome, out: Path) -> dict[str, object]:
    return {
        **_which(result),
        "variant": outcome.variant,
        "fresh": outcome.fresh,
        "seconds": round(outcome.seconds, 3),
        "folder": str(out),
        "artifact": outcome.artifact.model_dump() if outcome.artifact else None,
        "error": error_document(outcome.error) if outcome.error else None,
    }

"""What ``patchkit matrix`` prints: the rows as a table, as Markdown or as JSON, and the refusals one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from patchkit.cli.output.document import error_document, print_json
from patchkit.cli.output.refusals import column, reasons
from patchkit.errors import PatchkitError, PatchMismatchError
from patchkit.jobs.matrix.job import Row
from patchkit.patching.attempt import MatrixCell, MatrixVerdict
from patchkit.printable import in_one_line, without_passwords
from patchkit.shard import Shard
from patchkit.ui import Painted, Ui, data, table

_VERDICTS: tuple[MatrixVerdict, ...] = ("exact", "superseded", "not-applicable", "refused")
_LISTED = 8  # releases of one error
_COLOURS: dict[MatrixVerdict, str] = {
    "exact": "green",
    "superseded": "cyan",
    "not-applicable": "dim",
    "refused": "bold red",
}


def print_document(rows: Sequence[Row], seconds: float, shard: Shard | None = None) -> None:
    """Print all rows and their counts as JSON, and of which part of the releases they are."""
    counts = _counts(rows)
    print_json(
        {
            "seconds": round(seconds, 3),
            **({"shard": shard.model_dump()} if shard else {}),
            "counts": {verdict: counts[verdict] for verdict in _VERDICTS},
            "rows": [_row_document(row) for row in rows],
        }
    )


def print_table(rows: Sequence[Row]) -> None:
    """Print a row for each release, a column for each variant and form."""
    table(_headings(rows), [[row.name, *_painted(row, len(_headings(rows)) - 1)] for row in rows])


def print_markdown(rows: Sequence[Row]) -> None:
    """Print the table as Markdown, with a list of what was refused."""
    data(_markdown(rows))


def summary(rows: Sequence[Row], seconds: float) -> str:
    """Return one line that counts releases, cells and verdicts."""
    counts = _counts(rows)
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _VERDICTS)
    unread = sum(row.error is not None for row in rows)
    verdicts += f"; {unread} that could not be read" if unread else ""
    return f"{_counted(len(rows), 'release')}, {_counted(counts.total(), 'cell')} in {seconds:.1f} s: {verdicts}"


def _counts(rows: Sequence[Row]) -> Counter[str]:
    return Counter(cell.verdict for row in rows for cell in row.cells)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def report_refusals(rows: Sequence[Row], ui: Ui) -> list[PatchkitError]:
    """Print each refusal on stderr once, with the columns that it is the reason of; return all errors, in order.

    Releases that a patch of the user's own does not fit for one and the same reason are listed together.
    """
    refusals = [(row, reason) for row in rows for reason in reasons(row)]
    alike: dict[tuple[object, ...], list[str]] = {}
    for row, reason in refusals:
        error = reason.error
        same = isinstance(error, PatchMismatchError)
        key = (error.what, error.why, error.advice, "; ".join(reason.columns), "" if same else row.name)
        alike.setdefault(key, []).append(row.name)
    for (what, why, advice, columns, _), names in alike.items():
        ui.error(f"{_listed(names)}{f' ({columns})' if columns else ''}: {what}", str(why), str(advice))
    return [reason.error for _, reason in refusals]


def _listed(names: Sequence[str]) -> str:
    few = names if len(names) <= _LISTED else [*names[: _LISTED - 1], f"and {len(names) - _LISTED + 1} more"]
    return ", ".join(few)


def _headings(rows: Sequence[Row]) -> list[str]:
    return ["release", *(column(cell) for cell in next((row.cells for row in rows if row.cells), ()))]


def _text(cell: MatrixCell) -> str:
    return f"{cell.verdict} {cell.sha256[:12]}" if cell.sha256 else cell.verdict


def _painted(row: Row, columns: int) -> list[Painted]:
    """A row's cells; a release that could not be read is refused throughout, never left out."""
    if row.error is not None:
        return [Painted("refused", _COLOURS["refused"])] * columns
    return [Painted(_text(cell), _COLOURS[cell.verdict]) for cell in row.cells]


def _markdown(rows: Sequence[Row]) -> str:
    headings = _headings(rows)
    lines = [headings, ["---"] * len(headings)]
    lines += [[row.name, *map(str, _painted(row, len(headings) - 1))] for row in rows]
    refused = [
        f"- {row.name}, {column(cell)}: {cell.error.what}" for row in rows for cell in row.cells if cell.error
    ] + [f"- {row.name}: {row.error.what}" for row in rows if row.error]
    text = "".join(f"| {' | '.join(map(in_one_line, line))} |\n" for line in lines)
    refused = [in_one_line(without_passwords(line)) for line in refused]
    return text + ("\nRefused:\n\n" + "\n".join(refused) + "\n" if refused else "")


def _row_document(row: Row) -> dict[str, object]:
    return {
        "release": row.label,
        "ref": row.ref,
        "series": row.series,
        "origin": asdict(row.origin) if row.origin else None,
        "files": row.files,
        "cells": [_cell_document(cell) for cell in row.cells],
        "error": error_document(row.error) if row.error else None,
    }


def _cell_document(cell: MatrixCell) -> dict[str, object]:
    return {
        "variant": cell.variant,
        "guard": cell.guard,
        "verdict": cell.verdict,
        "upstream": cell.upstream,
        "sha256": cell.sha256,
        "files": dict(cell.attempt.files) if cell.attempt else {},
        "pinned": cell.attempt.pinned if cell.attempt else False,
        "error": error_document(cell.error) if cell.error else None,
    }

"""``patchkit matrix``: the rows as a table, as Markdown or as JSON, and the refusals one by one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from patchkit.cache import Cache
from patchkit.cli.error_handling import as_document, print_json
from patchkit.cli.refusals import column, reasons, write_note
from patchkit.context import Context
from patchkit.errors import BadUsageError, PatchkitError
from patchkit.jobs.matrix.collect_sources import Question
from patchkit.jobs.matrix.job import Row, matrix
from patchkit.patching.attempt import MatrixCell, MatrixVerdict
from patchkit.ui import Painted, Ui, data, table

_VERDICTS: tuple[MatrixVerdict, ...] = ("exact", "superseded", "not-applicable", "refused")
_COLOURS: dict[MatrixVerdict, str] = {
    "exact": "green",
    "superseded": "cyan",
    "not-applicable": "dim",
    "refused": "bold red",
}


def run(
    *,
    git: str | None,
    source: Path | None,
    since: str | None,
    refs: Sequence[str],
    variants: Sequence[str],
    offline: bool,
    as_json: bool,
    as_markdown: bool,
    note: Path | None,
) -> None:
    if as_json and as_markdown:
        raise BadUsageError("--json and --markdown exclude each other")
    if source is not None and len(refs) != 1:
        raise BadUsageError("--source wants one --ref: the version that it is", advice="--source DIR --ref 2.6.14")
    if since is not None and refs:
        raise BadUsageError("--since and --ref exclude each other")
    began = time.monotonic()
    ui = Ui()
    if note is not None:
        write_note([], note)  # one of another run must not be there when this one fails
    question = Question(git, since, refs, source, variants)
    rows = matrix(question, Context(Cache.default(), ui, offline))
    seconds = time.monotonic() - began
    counts = Counter(cell.verdict for row in rows for cell in row.cells)
    if as_json:
        print_json(
            {
                "seconds": round(seconds, 3),
                "counts": {verdict: counts[verdict] for verdict in _VERDICTS},
                "rows": [_row_document(row) for row in rows],
            }
        )
    elif as_markdown:
        data(_markdown(rows))
    else:
        table(_headings(rows), [[row.name, *_painted(row, len(_headings(rows)) - 1)] for row in rows])
    failed = _say_refusals(rows, ui)
    if note is not None:
        write_note(rows, note)
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _VERDICTS)
    unread = sum(row.error is not None for row in rows)
    verdicts += f"; {unread} that could not be read" if unread else ""
    what = f"{_counted(len(rows), 'release')}, {_counted(counts.total(), 'cell')}"
    ui.note(f"{what} in {seconds:.1f} s: {verdicts}")
    if failed:
        raise SystemExit(failed[0].exit_code)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _say_refusals(rows: Sequence[Row], ui: Ui) -> list[PatchkitError]:
    """Each refusal once, with the columns that it is the reason of; all errors, in order."""
    found = [(row, reason) for row in rows for reason in reasons(row)]
    for row, reason in found:
        ui.error(f"{reason.where(row)}: {reason.error.what}", reason.error.why, reason.error.advice)
    return [reason.error for _, reason in found]


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
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return text + ("\nRefused:\n\n" + "\n".join(refused) + "\n" if refused else "")


def _row_document(row: Row) -> dict[str, object]:
    return {
        "release": row.label,
        "ref": row.ref,
        "series": row.series,
        "origin": asdict(row.origin) if row.origin else None,
        "files": row.files,
        "cells": [_cell_document(cell) for cell in row.cells],
        "error": as_document(row.error) if row.error else None,
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
        "error": as_document(cell.error) if cell.error else None,
    }

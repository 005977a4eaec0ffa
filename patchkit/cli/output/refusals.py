"""What ``patchkit matrix`` refused: reason by reason for a terminal, and as a note that a tracker can take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from patchkit import __version__
from patchkit.errors import PatchkitError
from patchkit.jobs.matrix.job import Row
from patchkit.patching.attempt import MatrixCell
from patchkit.storage import replace_all, writing

_NAMED = 3
"""So many releases are in the title: GitLab takes 255 characters, GitHub 256."""


@dataclass(frozen=True)
class Reason:
    """Why a release was refused, with the columns that it is the reason of; none where it could not be read."""

    error: PatchkitError
    columns: Sequence[str]

    def where(self, row: Row) -> str:
        return f"{row.name} ({'; '.join(self.columns)})" if self.columns else row.name


def column(cell: MatrixCell) -> str:
    """Return the heading of the column of ``cell``."""
    return f"{cell.variant}, guarded" if cell.guard else cell.variant


def reasons(row: Row) -> list[Reason]:
    """Return each reason that ``row`` was refused for, once, in the order of the columns."""
    if row.error is not None:
        return [Reason(row.error, [])]
    by_text: dict[tuple[str, str, str], tuple[PatchkitError, list[str]]] = {}
    for cell in row.cells:
        if cell.error is not None:
            text = (cell.error.what, cell.error.why, cell.error.advice)
            by_text.setdefault(text, (cell.error, []))[1].append(column(cell))
    return [Reason(error, columns) for error, columns in by_text.values()]


def note(rows: Sequence[Row]) -> str:
    """Return what was refused as Markdown, its first line a title; an empty text where nothing was refused.

    The same releases and variants give the same title, so that a tracker can be asked whether it has the note.
    """
    refused = [(row, reasons(row)) for row in rows if reasons(row)]
    if not refused:
        return ""
    names = [row.name for row, _ in reversed(refused)]
    others = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    variants = sorted({cell.variant for row, _ in refused for cell in row.cells if cell.error})
    title = f"patchkit refuses OpenVPN {', '.join(names[:_NAMED])}{others}"
    lines = [f"{title}: {', '.join(variants)}" if variants else title, ""]
    for row, row_reasons in refused:
        for reason in row_reasons:
            lines += [f"- **{reason.where(row)}**: {reason.error.what}"]
            lines += [
                f"  {line.strip()}" for text in (reason.error.why, reason.error.advice) for line in text.splitlines()
            ]
    return "\n".join([*lines, "", f"Found by `patchkit matrix`, patchkit {__version__}.", ""])


def write_note(rows: Sequence[Row], to: Path) -> None:
    """Write the note on ``rows`` to the file ``to``; remove the file where nothing was refused.

    Raises DiskFullError or StorageError.
    """
    text = note(rows)
    if text:
        replace_all({to: text.encode()})
        return
    with writing(to):
        to.unlink(missing_ok=True)

"""Every release, every variant, guarded and not: what applies, exactly, and what it makes of the source.

Most releases share their files with a neighbour, so each set of files is tried once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from patchkit.context import Context
from patchkit.errors import PatchkitError
from patchkit.jobs.matrix.collect_sources import Question, ReleaseFiles, Survey
from patchkit.jobs.matrix.workers import Key, forms, try_all
from patchkit.patching.attempt import Attempt, MatrixCell, judge
from patchkit.patching.combination import Combination, combination
from patchkit.patching.variants import STOCK, names
from patchkit.source.tree.tree import Origin


@dataclass(frozen=True)
class Row:
    """One release, or one ref that is none."""

    label: str
    ref: str
    """The tag, or what was asked for."""
    series: str
    origin: Origin | None
    """None where the source could not be had."""
    cells: Sequence[MatrixCell]
    error: PatchkitError | None = None
    """Why there are no cells."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Git blob ids of the files that were looked at, by path."""

    @property
    def name(self) -> str:
        """For people: the release, or the ref with the commit that it is now."""
        return f"{self.ref} ({self.label})" if self.label.startswith("git.") else self.label


def matrix(question: Question, context: Context) -> list[Row]:
    """Try each variant on each release. Refusals are in the cells.

    Raises what :meth:`patchkit.jobs.matrix.collect_sources.Survey.releases` raises.
    """
    named = question.variants or [name for name in names() if name != STOCK]
    chosen = list({one.name: one for one in map(combination, named)}.values())
    survey = Survey(question, chosen, context)
    asked = survey.releases()
    tasks = {_key(one, row): row.label for row in asked for one in chosen if _is_tried(one, row)}
    tried = try_all(tasks, survey.blobs, context.ui)
    return [_row(row, chosen, tried) for row in asked]


def _is_tried(one: Combination, row: ReleaseFiles) -> bool:
    applies = one.upstream_status(row.version) != "not-applicable"
    return row.error is None and applies and not row.missing.keys() & set(one.files)


def _key(one: Combination, row: ReleaseFiles) -> Key:
    touched = tuple((path, blob) for path, blob in row.files.items() if path.rpartition("/")[2] in one.files)
    return one.name, touched


def _row(row: ReleaseFiles, chosen: Sequence[Combination], tried: Mapping[Key, list[Attempt]]) -> Row:
    cells = []
    for one in chosen if row.error is None else []:
        lacks = [Attempt({}, pinned=False, error=row.missing[file]) for file in one.files if file in row.missing]
        attempts = lacks[:1] * 2 or tried.get(_key(one, row), [])
        for number, guard in enumerate(forms(one.name)):
            upstream = one.upstream_status(row.version)
            cells.append(judge(one, guard, upstream, attempts[number] if attempts else None))
    return Row(row.label, row.ref, row.version.series, row.origin, cells, row.error, row.files)

"""Every release, every variant, guarded and not: what applies exactly, and what it makes of the source.

Most releases share their files with a neighbour, so each set of files is rendered once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from patchkit.context import Context
from patchkit.errors import PatchkitError
from patchkit.jobs.matrix.answers import Answers
from patchkit.jobs.matrix.collect_sources import MatrixRequest, ReleaseFiles, SourceCollector
from patchkit.jobs.matrix.workers import Key, attempt_all, forms
from patchkit.patching.attempt import Attempt, MatrixCell, judge
from patchkit.patching.combination import Combination, combination
from patchkit.patching.variants import STOCK, names
from patchkit.source.tree.tree import Origin


@dataclass(frozen=True)
class Row:
    """One release, or one ref that is not a release."""

    label: str
    ref: str
    """The tag, or the ref in the request."""
    series: str
    """Empty where the ref could not be read and its name does not say."""
    origin: Origin | None
    """None when the source is not available."""
    cells: Sequence[MatrixCell]
    error: PatchkitError | None = None
    """Why there are no cells."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Git blob ids of the files that variants touch, by path."""

    @property
    def name(self) -> str:
        """The name for users: the release, or the ref with the commit that it is now."""
        return f"{self.ref} ({self.label})" if self.label.startswith("git.") else self.label


def matrix(request: MatrixRequest, context: Context) -> list[Row]:
    """Render each variant of ``request`` for each release. Refusals are in the cells.

    Raises what :meth:`patchkit.jobs.matrix.collect_sources.SourceCollector.releases` raises.
    """
    request.validate()
    named = request.variants or [name for name in names() if name != STOCK]
    chosen = list({combined.name: combined for combined in map(combination, named)}.values())
    answers = Answers.of(context.cache)
    attempts: dict[Key, list[Attempt]] = {}
    tasks: dict[Key, str] = {}

    def needed(rows: Sequence[ReleaseFiles]) -> set[str]:
        """Return the blobs that have to be rendered: all others are answered."""
        for key, label in (
            (_key(combined, row), row.label) for row in rows for combined in chosen if _is_attempted(combined, row)
        ):
            attempt = attempts.get(key) or answers.find(key)
            if attempt is None:
                tasks[key] = label
            else:
                attempts[key] = attempt
        return {blob for _, touched, _ in tasks for _, blob in touched}

    collector = SourceCollector(request, chosen, context, answers, needed)
    releases = collector.releases()
    rendered = attempt_all(tasks, collector.blobs, context.ui)
    answers.learn(rendered)
    attempts |= rendered
    return [_row(row, chosen, attempts) for row in releases]


def _is_attempted(combined: Combination, row: ReleaseFiles) -> bool:
    applies = row.version is None or combined.upstream_status(row.version) != "not-applicable"
    return row.error is None and applies and not _lacking(combined, row)


def _lacking(combined: Combination, row: ReleaseFiles) -> list[str]:
    """The files that a variant needs and a release does not have; what a diff needs is seen when it is applied."""
    needed = {file for part in combined.parts if part.diffs is None for file in part.files}
    return [file for file in combined.files if file in row.missing and file in needed]


def _key(combined: Combination, row: ReleaseFiles) -> Key:
    touched = tuple((path, blob) for path, blob in row.files.items() if combined.touches(path))
    touched += tuple((path, blob) for path, blob in row.obstacles.items() if combined.obstructed_by(path))
    if row.beside is None:
        return combined.name, touched, None
    others = {**row.files, **row.beside}
    return combined.name, touched, tuple(pair for pair in others.items() if pair not in touched)


def _row(row: ReleaseFiles, chosen: Sequence[Combination], attempts: Mapping[Key, list[Attempt]]) -> Row:
    cells = []
    for combined in chosen if row.error is None else []:
        lacks = [Attempt({}, pinned=False, error=row.missing[file]) for file in _lacking(combined, row)]
        by_form = lacks[:1] * 2 or attempts.get(_key(combined, row), [])
        for number, guard in enumerate(forms(combined.name)):
            upstream = combined.upstream_status(row.version) if row.version else None
            cells.append(judge(combined, guard, upstream, by_form[number] if by_form else None))
    series = row.version.series if row.version else ""
    return Row(row.label, row.ref, series, row.origin, cells, row.error, row.files)

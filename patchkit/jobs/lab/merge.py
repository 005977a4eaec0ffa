"""Put the parts of a campaign together: what one machine would have written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from patchkit.context import Context
from patchkit.errors import ReportError
from patchkit.jobs.lab.batch import refuse_altered
from patchkit.jobs.lab.finished import TIMING, Done, refuse_storms, refuse_void, write_report
from patchkit.json_schema import validated
from patchkit.lab.model.campaign import Campaign
from patchkit.lab.model.new_campaign import REFERENCE_TRIALS
from patchkit.lab.model.trial import Trial
from patchkit.lab.report.folder import Folder, differences
from patchkit.lab.report.report import Timing
from patchkit.lab.results.results import by_cell
from patchkit.printable import listed
from patchkit.shard import Shard, missing
from patchkit.storage import check_writable, contents, reading, replace_all, whole_folder

_SAME = ("patchkit", "trials")
"""Fields of a campaign in which one that is resumed may differ, and parts may not."""


@dataclass(frozen=True, kw_only=True)
class MergeRequest:
    """Reports that are parts of one campaign."""

    folders: Sequence[Path]
    out: Path = Path("report")
    allow_missing: bool = False
    """Whether a part that is not among ``folders`` is told in the report, and not refused."""


@dataclass(frozen=True)
class _Piece:
    """A report that is a part of a campaign."""

    folder: Path
    campaign: Campaign
    shard: Shard
    trials: list[Trial]
    timing: Timing


def merge(request: MergeRequest, context: Context) -> Done:
    """Write the report of all parts that ``request`` names.

    Raises ReportError where a part is missing, is there twice, is not complete, or is another campaign's; and
    NoEvidenceError and StormError as a campaign does.
    """
    check_writable(request.out, "--out")
    pieces = [_read(folder) for folder in request.folders]
    first = pieces[0]
    for piece in pieces[1:]:
        _refuse_other(first, piece)
    for piece in pieces:
        refuse_altered(piece.folder, piece.campaign, piece.trials)
    parts = _parts(pieces)
    lacking = missing(parts, first.shard.of)
    if lacking and not request.allow_missing:
        raise ReportError(
            f"of {first.shard.of} parts {len(lacking)} are missing: {listed(lacking)}",
            why=f"there are {listed(parts)}",
            advice="name their folders as well; --allow-missing reports on those that are there",
        )
    shard = Shard(of=first.shard.of, parts=parts) if lacking else None
    campaign = first.campaign.model_copy(update={"shard": shard})
    name = hashlib.sha256(os.fsencode(request.out.resolve())).hexdigest()[:16]
    Folder(request.out).refuse_taken()
    with context.cache.lock(f"report-{name}", busy=str(request.out)), whole_folder(request.out) as folder:
        out = Folder(folder)
        out.begin(campaign)
        _copy_logs(pieces, out)
        done = write_report(out, campaign, [trial for piece in pieces for trial in piece.trials], _timing(pieces))
    refuse_void(done)
    refuse_storms(done)
    return done


def _read(path: Path) -> _Piece:
    folder = Folder(path)
    campaign = folder.campaign()
    if campaign.shard is None:
        raise ReportError(f"{path} is not a part of a campaign", why="it was run without --shard")
    trials = folder.trials()
    numbers = set(campaign.numbers())
    first = {number for number in numbers if number <= REFERENCE_TRIALS}
    # Counted from what is there: a campaign may ask for more than memory holds.
    wanted = {cell.id: first for cell in campaign.reference} | {cell.id: numbers for cell in campaign.cells}
    own = [trial for trial in trials if trial.trial in wanted.get(trial.cell, ())]
    there, total = sum(map(len, by_cell(campaign, own).values())), sum(map(len, wanted.values()))
    if there < total:
        raise ReportError(
            f"{path} is not complete: {total - there} of {total} trials are missing",
            why=f"it is {campaign.shard}",
            advice=f"patchkit lab run --resume --out {path}",
        )
    timing = path / TIMING
    try:
        took = validated(Timing, contents(timing))
    except ValueError as error:
        raise ReportError(f"{timing} is damaged", why=str(error), advice="run the campaign again") from error
    return _Piece(path, campaign, campaign.shard, own, took)


def _refuse_other(first: _Piece, piece: _Piece) -> None:
    """Raise ReportError where ``piece`` is a part of another campaign than ``first``, or was cut otherwise."""
    differing = [name for name in differences(first.campaign, piece.campaign) if name != "shard"]
    differing += [name for name in _SAME if getattr(first.campaign, name) != getattr(piece.campaign, name)]
    if piece.shard.of != first.shard.of:
        differing.append("the number of parts")
    if differing:
        raise ReportError(
            f"{piece.folder} and {first.folder} are not parts of one campaign",
            why="these differ: " + ", ".join(differing),
            advice="the same patchkit, programs, kernel and options are needed for all parts",
        )


def _parts(pieces: Sequence[_Piece]) -> list[int]:
    """List the parts that are there. Raises ReportError where two have the same."""
    owner: dict[int, Path] = {}
    for piece in pieces:
        for part in piece.shard.parts:
            if part in owner:
                raise ReportError(
                    f"part {part} is there twice", why=f"in {owner[part]} and in {piece.folder}", advice="name one"
                )
            owner[part] = piece.folder
    return sorted(owner)


def _timing(pieces: Sequence[_Piece]) -> Timing:
    """Add up how long the parts took, as if one machine had run them one behind the other."""
    return Timing(
        guest_seconds=round(sum(piece.timing.guest_seconds for piece in pieces), 3),
        wall_seconds=round(sum(piece.timing.wall_seconds for piece in pieces), 3),
        jobs=max(piece.timing.jobs for piece in pieces),
    )


def _copy_logs(pieces: Sequence[_Piece], out: Folder) -> None:
    for piece in pieces:
        logs = piece.folder / "logs"
        with reading(logs):
            kept = sorted(path for path in logs.iterdir() if path.is_file()) if logs.is_dir() else []
        for path in kept:
            (out.path / "logs").mkdir(exist_ok=True)
            with reading(path):
                replace_all({out.path / "logs" / path.name: path.read_bytes()})

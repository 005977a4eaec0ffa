"""Fit the hunks of a diff into a file at the very lines that they state, or say where they would have to go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from patchkit.errors import AlreadyPatchedError, PatchkitError, PatchMismatchError
from patchkit.patching.edits import Edit
from patchkit.patching.unified import FileChange, Hunk
from patchkit.printable import in_one_line

_SHOWN = 6  # hunks that a message lists
_LONGEST = 100  # bytes of a line that a message shows
_COMMON = 50  # places of a line that are worth a look; a blank line is everywhere
_MOST = 50  # misfits of a file that are told
_CANDIDATES = 40  # places that are compared line by line


@dataclass(frozen=True)
class Misfit:
    """One hunk that does not fit, or one file that is not what the diff takes it for."""

    path: str
    hunk: Hunk | None
    of: int
    """How many hunks the file has in the diff."""
    reason: str
    is_applied: bool = False
    """Whether the new side stands where the hunk would put it."""

    @property
    def text(self) -> str:
        """The misfit in one line."""
        if self.hunk is None:
            return f"{self.path}: {self.reason}"
        where = f"hunk {self.hunk.number} of {self.of} (line {self.hunk.row} of the diff)"
        return f"{self.path}, line {self.hunk.start + 1}, {where}: {self.reason}"


def misfits(change: FileChange, lines: Sequence[bytes] | None) -> list[Misfit]:
    """List the hunks of ``change`` that do not fit the file with ``lines``; None is a file that is not there.

    The first fifty of them: to find out where a hunk's lines are takes time.
    """
    of = len(change.hunks)
    if change.is_new:
        return [] if lines is None else [_new_file(change, lines)]
    if lines is None:
        return [Misfit(change.path, None, of, "there is no such file")]
    misfits: list[Misfit] = []
    end = drift = 0
    for hunk in change.hunks:
        old, new = hunk.side(b"+"), hunk.side(b"-")
        if hunk.start < end:
            misfits.append(Misfit(change.path, hunk, of, "it begins before the hunk in front of it ends"))
        elif list(lines[hunk.start : hunk.start + len(old)]) != old or hunk.start > len(lines):
            misfits.append(_misfit(change.path, hunk, of, lines))
        elif hunk.new_start != hunk.start + drift:
            reason = f"its new side begins at line {hunk.start + drift + 1}, and its head states {hunk.new_start + 1}"
            misfits.append(Misfit(change.path, hunk, of, reason))
        elif _is_joined(hunk, lines):
            misfits.append(Misfit(change.path, hunk, of, "a line without a newline would not be the file's last"))
        if len(misfits) == _MOST:
            break
        end = hunk.start + len(old)
        drift += len(new) - len(old)
    return misfits


def relocated(change: FileChange, lines: Sequence[bytes] | None) -> tuple[FileChange, list[str]]:
    """Move each hunk of ``change`` that does not fit where it states to the one place in ``lines`` that has its lines.

    They must stand there byte for byte, at no other place of the file, and behind the hunk in front. Returns the
    change, in which other hunks are as they were, and a text for each hunk that was moved.
    """
    if change.is_new or lines is None:
        return change, []
    hunks: list[Hunk] = []
    texts: list[str] = []
    end = drift = 0
    for hunk in change.hunks:
        old, new = hunk.side(b"+"), hunk.side(b"-")
        start = hunk.start
        if list(lines[start : start + len(old)]) != old or start < end:
            places = _places(old, lines)
            if len(places) != 1 or places[0] < end:
                return change, []
            (start,) = places
            texts.append(
                f"{change.path}: hunk {hunk.number} of {len(change.hunks)} stands {start - hunk.start:+d} lines off"
            )
        hunks.append(replace(hunk, start=start, new_start=start + drift))
        end, drift = start + len(old), drift + len(new) - len(old)
    return replace(change, hunks=tuple(hunks)), texts


def _places(old: Sequence[bytes], lines: Sequence[bytes]) -> list[int]:
    first = [row for row, line in enumerate(lines) if old and line == old[0]]
    return [row for row in first if list(lines[row : row + len(old)]) == list(old)]


def edits(change: FileChange) -> list[Edit]:
    """Return what the hunks of ``change`` do, as edits; for a file that :func:`misfits` finds no fault with."""
    return [Edit(hunk.start, hunk.body) for hunk in change.hunks]


def error(name: str, misfits: Sequence[Misfit], advice: str) -> PatchkitError:
    """Make the error for the misfits ``misfits`` of the patch ``name``; there is at least one."""
    first = misfits[0]
    texts = [misfit.text for misfit in misfits[:_SHOWN]]
    if len(misfits) > _SHOWN:
        texts.append(f"and {len(misfits) - _SHOWN} more")
    if all(misfit.is_applied for misfit in misfits):
        return AlreadyPatchedError(
            f"the source has {name} already, or a part of it: {first.path} has its lines",
            why="\n".join(texts),
            advice="start from an unaltered source: patchkit fetch --version V --to DIR",
        )
    where = f" at line {first.hunk.start + 1}" if first.hunk is not None else ""
    return PatchMismatchError(
        f"{name} does not apply exactly to {first.path}{where}", why="\n".join(texts), advice=advice
    )


def _new_file(change: FileChange, lines: Sequence[bytes]) -> Misfit:
    is_same = list(lines) == change.hunks[0].side(b"-")
    return Misfit(change.path, None, 1, "it is there already, and the diff brings it as a new file", is_same)


def _is_joined(hunk: Hunk, lines: Sequence[bytes]) -> bool:
    """Whether the file would have a line without a newline before its end."""
    new = hunk.side(b"-")
    is_last = hunk.start + len(hunk.side(b"+")) == len(lines)
    if any(not line.endswith(b"\n") for line in (new if not is_last else new[:-1])):
        return True
    # What is put in behind a last line without a newline would be glued to it.
    return is_last and bool(new) and hunk.start == len(lines) > 0 and not lines[-1].endswith(b"\n")


def _misfit(path: str, hunk: Hunk, of: int, lines: Sequence[bytes]) -> Misfit:
    old, new = hunk.side(b"+"), hunk.side(b"-")
    at = hunk.new_start
    if list(lines[at : at + len(new)]) == new:
        return Misfit(path, hunk, of, "the file has the new lines already", is_applied=True)
    place = nearest(old, lines, hunk.start)
    if place is None:
        return Misfit(path, hunk, of, f"none of its lines is in the file; {_difference(old, lines, hunk.start)}")
    start, same = place
    if same == len(old):
        return Misfit(path, hunk, of, f"its lines stand at line {start + 1} ({start - hunk.start:+d})")
    reason = f"nearest place: line {start + 1}, where {same} of {len(old)} lines are the same"
    return Misfit(path, hunk, of, f"{reason}; {_difference(old, lines, start)}")


def nearest(old: Sequence[bytes], lines: Sequence[bytes], expected: int) -> tuple[int, int] | None:
    """Find the row at which most of ``old`` stands in ``lines``, and how many lines do; None where no line does.

    Of several, the one nearest to the row ``expected``.
    """
    places: dict[bytes, list[int]] = {line: [] for line in old}
    for row, line in enumerate(lines):
        if line in places:
            places[line].append(row)
    votes: Counter[int] = Counter()
    for offset, line in enumerate(old):
        rows = places[line]
        votes.update(row - offset for row in (rows if len(rows) <= _COMMON else ()) if row >= offset)
    starts = [expected, *(start for start, _ in votes.most_common(_CANDIDATES))]
    best = max(starts, key=lambda start: (_same(old, lines, start), -abs(start - expected)))
    same = _same(old, lines, best)
    return (best, same) if same else None


def _same(old: Sequence[bytes], lines: Sequence[bytes], start: int) -> int:
    return sum(line == there for line, there in zip(old, lines[start : start + len(old)], strict=False))


def _difference(old: Sequence[bytes], lines: Sequence[bytes], start: int) -> str:
    for offset, line in enumerate(old):
        row = start + offset
        if row >= len(lines):
            return "the file ends before that"
        if lines[row] != line:
            return f"line {row + 1} is {_shown(lines[row])}, not {_shown(line)}"
    return "the lines are the same"


def _shown(line: bytes) -> str:
    text = in_one_line(line.removesuffix(b"\n")[:_LONGEST].decode("utf-8", "replace"))
    return f'"{text}"' + ("" if line.endswith(b"\n") else " without a newline")

"""What ``patchkit verify`` prints: the steps with their verdicts, or upstream's new tags."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.cli.output.document import error_document, print_json
from patchkit.errors import PatchkitError
from patchkit.jobs.verify.model import State, Verification
from patchkit.jobs.verify.new_entry import NewEntry
from patchkit.jobs.verify.new_tags import NewTag
from patchkit.jobs.verify.report import TICKS
from patchkit.ui import Painted, data, table

_COLOURS: dict[State, str] = {"passed": "green", "finding": "bold red", "skipped": "dim", "not run": "yellow"}


def print_steps(verification: Verification) -> None:
    """Print a row for each step, and the verdict."""
    rows = [
        (
            Painted(TICKS[step.state], _COLOURS[step.state]),
            step.name,
            Painted(step.state, _COLOURS[step.state]),
            step.summary,
        )
        for step in verification.steps
    ]
    table(("", "step", "state", "result"), rows)
    data(f"{verification.verdict}\n")


def print_tags(tags: Sequence[NewTag]) -> None:
    """Print a row for each tag that the pins do not have, or have with another commit."""
    if not tags:
        data("nothing new\n")
        return
    rows = [
        (tag.version.text, tag.commit[:12], tag.known, _signature(tag), ", ".join(_cells(tag)) or "not looked at")
        for tag in tags
    ]
    table(("release", "commit", "pins", "signature", "variants"), rows)


def print_tags_document(
    tags: Sequence[NewTag], finding: PatchkitError | None, entries: Sequence[NewEntry] | None
) -> None:
    """Print the tags, the gravest finding and, where they were asked for, the ``entries`` of new pins, as JSON."""
    document: dict[str, object] = {
        "tags": [_document(tag) for tag in tags],
        "finding": error_document(finding) if finding else None,
    }
    if entries is not None:
        document["pins"] = [
            {
                "release": entry.release,
                "what": entry.what,
                "value": entry.value,
                "file": entry.path or None,
                "checked": list(entry.checked),
                "not_checked": list(entry.missing),
            }
            for entry in entries
        ]
    print_json(document)


def _signature(tag: NewTag) -> str:
    if tag.known == "moved":
        return "not looked at"
    return tag.judgement.worth if tag.judgement else "missing"


def _cells(tag: NewTag) -> list[str]:
    return [f"{cell.variant} {cell.verdict}" for cell in tag.cells if not cell.guard]


def _document(tag: NewTag) -> dict[str, object]:
    judgement = tag.judgement
    return {
        "version": tag.version.text,
        "tag": tag.tag,
        "commit": tag.commit,
        "known": tag.known,
        "pinned": tag.pinned,
        "signature": (
            {"worth": judgement.worth, "detail": judgement.detail, "key": judgement.key} if judgement else None
        ),
        "variants": {cell.variant: cell.verdict for cell in tag.cells if not cell.guard},
        "error": error_document(tag.error) if tag.error else None,
    }

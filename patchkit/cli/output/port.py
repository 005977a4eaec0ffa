"""What ``patchkit port`` prints besides the diff: what a person has to look at, on stderr and in the document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from patchkit.cli.output.document import print_json
from patchkit.jobs.port.result import Ported, PortedFile
from patchkit.patching.touched import Touched
from patchkit.printable import in_one_line
from patchkit.ui import Ui


def document(ported: Ported) -> None:
    """Print the port as JSON."""
    print_json(
        {
            "patch": ported.name,
            "from": ported.before,
            "to": ported.after,
            "diff": ported.rendered.diff.decode("utf-8", "replace"),
            "diff_sha256": ported.rendered.sha256,
            "files": [asdict(file) for file in ported.files],
            "moved_hunks": list(ported.moved_hunks),
            "doubt": ported.doubt or None,
            "proven": bool(ported.proofs),
        }
    )


def print_review(ported: Ported, ui: Ui) -> None:
    """Print on stderr what the patch touches in both releases, and upstream's changes beside its own."""
    for text in ported.moved_hunks:
        ui.note(f"in {ported.before}, {text}")
    for file in ported.files:
        name = file.before if file.before == file.after else f"{file.before}, now {file.after}"
        ui.step(f"{name}: {_state(file)}")
        for label, touched in ((ported.before, file.touched_before), (ported.after, file.touched_after)):
            if not file.is_upstreams or label == ported.after:
                ui.note(f"{label}: {_functions(touched)}")
        if file.changed_by_upstream:
            ui.note(f"upstream has changed, too: {', '.join(file.changed_by_upstream)}")
        for neighbour in file.neighbours:
            ui.note(f"to be reviewed, line {neighbour.row} of {ported.after} before the patch: upstream has made of")
            for sign, lines in (("-", neighbour.removed), ("+", neighbour.added)):
                for line in lines:
                    ui.note(f"    {sign}{in_one_line(line)}")
    if ported.doubt:
        ui.warn(f"the code may not compile in {ported.after}: {ported.doubt}")
    count = ported.to_review
    places = f"{count} place{'' if count == 1 else 's'} to be reviewed" if count else "nothing beside it has changed"
    proven = "; both compiled and proven" if ported.proofs else ""
    ui.step(f"{ported.name} for {ported.after}: {places}{proven}")


def _state(file: PortedFile) -> str:
    if file.has_it_already:
        return "the target has it already"
    return "upstream has not changed it" if file.is_upstreams else "merged"


def _functions(touched: Touched) -> str:
    parts: Sequence[tuple[str, Sequence[str]]] = (
        ("changes", touched.functions),
        ("adds", touched.added),
        ("removes", touched.removed),
        ("changes struct", touched.structs),
    )
    return "; ".join(f"{verb} {', '.join(names)}" for verb, names in parts if names) or "touches no function"

"""What ``patchkit prove`` prints: the table that the verdict rests on, or all of it as a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from patchkit.cli.output.document import print_json
from patchkit.jobs.prove.compare_objects import APART
from patchkit.jobs.prove.result import Proof
from patchkit.proving.compare import Difference
from patchkit.ui import table


def print_table(proof: Proof) -> None:
    """Print a row for each finding; the last difference is the verdict."""
    table(("what", "verdict"), _findings(proof))


def print_document(proof: Proof) -> None:
    """Print the proof as JSON."""
    print_json(_document(proof))


def _findings(proof: Proof) -> list[tuple[str, str]]:
    rows = [
        (f"{difference.name}, {difference.source}", f"{difference.kind}, as named: {_sizes(difference)}")
        for difference in proof.changed
    ]
    rows += [
        (f"{difference.name}, {difference.source}", f"{difference.kind.upper()}, NOT NAMED: {_sizes(difference)}")
        for difference in proof.strays
    ]
    sources = ", ".join(proof.sources) + (f" and {len(proof.reached)} that include a header" if proof.reached else "")
    rows.append((f"{proof.same} other functions and all other data, -O0, {sources}", "same"))
    rows += [(f"the symbol {name}", "DIFFERS") for name in proof.exposed]
    if proof.guard:
        off = "DIFFERS: " + ", ".join(proof.guard_off) if proof.guard_off else "same bytes as stock"
        on = "DIFFERS: " + ", ".join(proof.guard_on) if proof.guard_on else "same bytes as unguarded"
        header = ", and what includes a header, preprocessed" if proof.reached else ""
        rows += [
            (f"guard off (#line set aside): whole object files, at -O0 and as built{header}", off),
            (f"guard on (#line set aside): whole object files, at -O0{header}", on),
        ]
    else:
        rows.append(("guard", "the variant has none"))
    rows.append(("differ by the numbers of their own lines only", _names(proof.renumbered)))
    if proof.structs:
        rows.append((f"differ by the layout of struct {', '.join(proof.structs)} only", _names(proof.layout)))
    if proof.inlines:
        rows.append(("stock's own inline functions, used where they were not", _names(proof.inlines)))
    rows += [(line, "NOT EXPLAINED") for line in proof.unexplained]
    rows.append((f"{proof.variant} on {proof.release}", "NOT PROVEN" if proof.failures else "proven"))
    return rows


def _names(differences: Sequence[Difference]) -> str:
    return ", ".join(dict.fromkeys(difference.name for difference in differences)) or "none"


def _sizes(difference: Difference) -> str:
    return f"{difference.before} → {difference.after} bytes"


def _document(proof: Proof) -> dict[str, object]:
    return {
        "proven": not proof.failures,
        "failures": proof.failures,
        **asdict(proof),
        "flags_apart": list(APART),
    }

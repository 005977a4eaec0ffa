"""What ``patchkit variants`` prints."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.patching.variants import Variant
from patchkit.ui import data, prose, table


def print_list(variants: Sequence[Variant]) -> None:
    """Print a row for each variant."""
    rows = [(variant.name, variant.status, "yes" if variant.guard else "no", variant.title) for variant in variants]
    table(("variant", "status", "guard", "title"), rows)


def print_one(variant: Variant) -> None:
    """Print all that the catalogue says of one variant."""
    rows = [
        ("status", variant.status),
        ("author", variant.author),
        ("origin", variant.origin),
        ("guard", "yes" if variant.guard else "no"),
        ("files", ", ".join(variant.files) or "none"),
        ("functions", ", ".join(variant.functions) or "none"),
        ("new functions", ", ".join(variant.added) or "none"),
        ("structs", ", ".join(variant.structs) or "none"),
        ("order", str(variant.order)),
        ("conflicts", ", ".join(variant.conflicts) or "none"),
    ]
    for upstream in variant.upstream:
        commits = f" ({', '.join(commit[:12] for commit in upstream.commits)})" if upstream.commits else ""
        rows.append((upstream.releases, f"{upstream.status}: {upstream.note.strip()}{commits}"))
    prose(f"{variant.title}\n\n{variant.description.strip()}\n")
    data("\n")
    table((variant.name, ""), rows)


def document(variant: Variant) -> dict[str, object]:
    """Return ``variant`` as ``--json`` shows it."""
    return variant.model_dump(mode="json", exclude={"folder", "markers"})

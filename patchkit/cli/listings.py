"""``patchkit releases`` and ``patchkit variants``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patchkit.cli.error_handling import print_json
from patchkit.ui import data, prose, table

if TYPE_CHECKING:
    from patchkit.patching.variants import Variant


def list_releases(*, as_json: bool) -> None:
    from patchkit.releases.catalog import catalog

    known = catalog().releases
    if as_json:
        print_json(
            [
                {
                    "version": release.version.text,
                    "series": release.series,
                    "tag": release.tag.name if release.tag else None,
                    "date": release.tag.date if release.tag else None,
                    "commit": release.tag.commit if release.tag else None,
                    "tarball": release.tarball.name if release.tarball else None,
                    "sha256": release.tarball.sha256 if release.tarball else None,
                    "records": release.tarball.records if release.tarball else [],
                }
                for release in known
            ]
        )
        return
    rows = [
        (
            release.version.text,
            release.tag.date if release.tag else "",
            release.tag.commit[:12] if release.tag else "",
            release.tarball.sha256[:12] if release.tarball else "",
        )
        for release in known
    ]
    table(("version", "date", "commit", "tarball sha256"), rows)


def list_variants(*, as_json: bool) -> None:
    from patchkit.patching.variants import names, variant

    found = [variant(name) for name in names()]
    if as_json:
        print_json([_variant_document(one) for one in found])
        return
    rows = [(one.name, one.status, "yes" if one.guard else "no", one.title) for one in found]
    table(("variant", "status", "guard", "title"), rows)


def show_variant(name: str, *, as_json: bool) -> None:
    from patchkit.patching.variants import variant

    one = variant(name)
    if as_json:
        print_json(_variant_document(one))
        return
    rows = [
        ("status", one.status),
        ("author", one.author),
        ("origin", one.origin),
        ("guard", "yes" if one.guard else "no"),
        ("files", ", ".join(one.files) or "none"),
        ("functions", ", ".join(one.functions) or "none"),
        ("new functions", ", ".join(one.added) or "none"),
        ("structs", ", ".join(one.structs) or "none"),
        ("order", str(one.order)),
        ("conflicts", ", ".join(one.conflicts) or "none"),
    ]
    for upstream in one.upstream:
        by = f" ({', '.join(commit[:12] for commit in upstream.commits)})" if upstream.commits else ""
        rows.append((upstream.releases, f"{upstream.status}: {upstream.note.strip()}{by}"))
    prose(f"{one.title}\n\n{one.description.strip()}\n")
    data("\n")
    table((one.name, ""), rows)


def _variant_document(one: Variant) -> dict[str, object]:
    return one.model_dump(mode="json", exclude={"folder", "markers"})

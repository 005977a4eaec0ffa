"""``patchkit releases`` and ``patchkit variants``."""

from __future__ import annotations

from patchkit.cli.ending import print_json
from patchkit.ui import table


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
        print_json([one.model_dump(mode="json", exclude={"folder", "markers"}) for one in found])
        return
    rows = [(one.name, one.status, "yes" if one.guard else "no", one.title) for one in found]
    table(("variant", "status", "guard", "title"), rows)

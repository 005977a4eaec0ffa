"""``patchkit releases``."""

from __future__ import annotations

from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption


@command
def releases(as_json: JsonOption = False) -> None:
    """List the releases that the pins know.

    \b
    Example: patchkit releases --json
    """
    from patchkit.cli.output.document import print_json
    from patchkit.releases.catalog import catalog
    from patchkit.ui import table

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

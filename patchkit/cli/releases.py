"""``patchkit releases``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from patchkit.cli import completion
from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption, VulnerableOption

if TYPE_CHECKING:
    from patchkit.jobs.library_vulnerabilities import LibraryAssessment


@command
def releases(
    vulnerabilities: Annotated[
        str | None,
        typer.Option(
            "--vulnerabilities",
            metavar="V",
            help="List the known vulnerabilities of this release, or of a library that is compiled in: openssl-3.5.7.",
            autocompletion=completion.versions_and_libraries,
        ),
    ] = None,
    fail_on_vulnerable: VulnerableOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the releases that the pins know, or the known vulnerabilities of one.

    \b
    Example: patchkit releases --vulnerabilities 2.6.14
    """
    from patchkit.errors import BadUsageError

    if vulnerabilities is not None:
        _list_vulnerabilities(vulnerabilities, fail=fail_on_vulnerable, as_json=as_json)
    elif fail_on_vulnerable:
        raise BadUsageError("--fail-on-vulnerable needs a release", advice="--vulnerabilities V")
    else:
        _list_releases(as_json=as_json)


def _list_vulnerabilities(text: str, *, fail: bool, as_json: bool) -> None:
    from patchkit.cli.output.vulnerabilities import print_assessment, print_document
    from patchkit.jobs.library_vulnerabilities import assess_named
    from patchkit.jobs.vulnerabilities import assess_release
    from patchkit.releases.catalog import catalog, named

    of_libraries = assess_named(text)
    if of_libraries:
        _list_of_libraries(of_libraries, fail=fail, as_json=as_json)
        return
    assessment = assess_release(catalog().find(named(text)).version, "all")
    if as_json:
        print_document(assessment)
    else:
        print_assessment(assessment)
    error = assessment.error() if fail else None
    if error is not None:
        raise error


def _list_of_libraries(assessments: list[LibraryAssessment], *, fail: bool, as_json: bool) -> None:
    from patchkit.cli.output import vulnerabilities as output
    from patchkit.jobs.library_vulnerabilities import error_of

    if len(assessments) == 1:
        (output.print_library_document if as_json else output.print_library)(assessments[0])
    else:
        (output.print_branches_document if as_json else output.print_branches)(assessments)
    error = error_of(assessments) if fail else None
    if error is not None:
        raise error


def _list_releases(*, as_json: bool) -> None:
    from patchkit.cli.output.document import print_json
    from patchkit.releases.advisories import known
    from patchkit.releases.catalog import catalog
    from patchkit.ui import table

    listed = [(release, known(release.version)) for release in catalog().releases]
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
                    "vulnerabilities": [advisory.id for advisory in advisories],
                }
                for release, advisories in listed
            ]
        )
        return
    rows = [
        (
            release.version.text,
            release.tag.date if release.tag else "",
            release.tag.commit[:12] if release.tag else "",
            release.tarball.sha256[:12] if release.tarball else "",
            str(len(advisories)),
        )
        for release, advisories in listed
    ]
    table(("version", "date", "commit", "tarball sha256", "known vulnerabilities"), rows)

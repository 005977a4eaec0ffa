"""What ``patchkit releases --vulnerabilities`` prints, and how ``--json`` shows one known vulnerability."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.cli.output.document import print_json
from patchkit.jobs.library_vulnerabilities import LibraryAssessment
from patchkit.jobs.vulnerabilities import Assessment, Vulnerability
from patchkit.releases.advisories import Platform
from patchkit.releases.library_advisories import library_advisories, unestablished_of
from patchkit.ui import data, table


def print_assessment(assessment: Assessment) -> None:
    """Print a row for each known vulnerability, and what could not be established."""
    rows = [
        (
            found.advisory.id,
            found.advisory.severity + (f" ({score})" if (score := found.advisory.cvss.partition(": ")[2]) else ""),
            found.advisory.reach,
            found.advisory.platform,
            found.advisory.component,
            ", ".join(found.advisory.fixed),
            found.advisory.title,
        )
        for found in assessment.vulnerabilities
    ]
    if rows:
        table(("id", "severity", "reach", "platform", "component", "fixed in", "what"), rows)
        linux, windows = _concerning(assessment, "posix"), _concerning(assessment, "windows")
        data(f"{len(rows)} in all; {linux} concern what patchkit builds for Linux, {windows} for Windows\n")
    else:
        data(f"{assessment.label} has no known vulnerabilities\n")
    for report in assessment.reports:
        fixed = f"; fixed in {', '.join(report.fixed)}" if report.fixed else ""
        data(f"not established: {report.title}{fixed}\n")


def print_document(assessment: Assessment) -> None:
    """Print the assessment as JSON."""
    print_json(
        {
            "release": assessment.label,
            "vulnerabilities": [vulnerability_document(found) for found in assessment.vulnerabilities],
            "concern": {"linux": _concerning(assessment, "posix"), "windows": _concerning(assessment, "windows")},
            "not_established": [report.model_dump() for report in assessment.reports],
            "remedy": assessment.remedy,
        }
    )


def print_library(assessment: LibraryAssessment) -> None:
    """Print a row for each known vulnerability of a library, and what could not be established."""
    library, name = assessment.library, f"{assessment.library.title} {assessment.version}"
    rows = [
        (found.id, found.severity, found.part, found.fixed[library.branch], found.title)
        for found in assessment.advisories
    ]
    if rows:
        table(("id", "severity", "part", "fixed in", "what"), rows)
        data(f"{len(rows)} in {name}; {assessment.remedy} has none of them\n")
    else:
        data(f"{name} has no known vulnerabilities\n")
    for report in unestablished_of(library):
        data(f"not established: {report.id}: {report.title}\n")


def print_branches(assessments: Sequence[LibraryAssessment]) -> None:
    """Print all that is known of a library, and what its pinned releases have of it."""
    title = assessments[0].library.title
    rows = [
        (found.id, found.severity, found.part, ", ".join(found.fixed.values()), found.title)
        for found in library_advisories()
        if found.library == title
    ]
    if rows:
        table(("id", "severity", "part", "fixed in", "what"), rows)
    for assessment in assessments:
        has = f"has {len(assessment.advisories)} of them; {assessment.remedy} has none"
        has = has if assessment.advisories else "has no known vulnerabilities"
        data(f"{title} {assessment.version}, of the branch {assessment.library.branch}, {has}\n")
    for report in unestablished_of(assessments[0].library):
        data(f"not established: {report.id}: {report.title}\n")


def print_library_document(assessment: LibraryAssessment) -> None:
    """Print the assessment of a library as JSON."""
    print_json(_library_document(assessment))


def print_branches_document(assessments: Sequence[LibraryAssessment]) -> None:
    """Print the assessments of a library's branches as JSON."""
    title = assessments[0].library.title
    print_json({"library": title.lower(), "branches": [_library_document(assessment) for assessment in assessments]})


def _library_document(assessment: LibraryAssessment) -> dict[str, object]:
    return {
        "library": assessment.library.name,
        "version": assessment.version,
        "vulnerabilities": [
            {**found.model_dump(exclude={"not_here"}), "state": assessment.state} for found in assessment.advisories
        ],
        "not_established": [report.model_dump() for report in unestablished_of(assessment.library)],
        "remedy": assessment.remedy,
    }


def _concerning(assessment: Assessment, platform: Platform) -> int:
    return sum(found.advisory.concerns(platform) for found in assessment.vulnerabilities)


def vulnerability_document(found: Vulnerability) -> dict[str, object]:
    """Return ``found`` as ``--json`` shows it."""
    return {**found.advisory.model_dump(exclude={"marks"}), "state": found.state}

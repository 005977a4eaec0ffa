"""What ``patchkit releases --vulnerabilities`` prints, and how ``--json`` shows one known vulnerability."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.cli.output.document import print_json
from patchkit.jobs.library_vulnerabilities import LibraryAssessment
from patchkit.jobs.vulnerabilities import AssessedAdvisory, Assessment
from patchkit.releases.advisories import Platform
from patchkit.releases.library_advisories import library_advisories, unestablished_of
from patchkit.ui import data, table


def print_assessment(assessment: Assessment) -> None:
    """Print a row for each known vulnerability, and what could not be established."""
    rows = [
        (
            vulnerability.advisory.id,
            vulnerability.advisory.severity
            + (f" ({score})" if (score := vulnerability.advisory.cvss.partition(": ")[2]) else ""),
            vulnerability.advisory.reach,
            vulnerability.advisory.platform,
            vulnerability.advisory.component,
            ", ".join(vulnerability.advisory.fixed),
            vulnerability.advisory.title,
        )
        for vulnerability in assessment.vulnerabilities
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
            "vulnerabilities": [vulnerability_document(vulnerability) for vulnerability in assessment.vulnerabilities],
            "concern": {"linux": _concerning(assessment, "posix"), "windows": _concerning(assessment, "windows")},
            "not_established": [report.model_dump() for report in assessment.reports],
            "remedy": assessment.remedy,
        }
    )


def print_library(assessment: LibraryAssessment) -> None:
    """Print a row for each known vulnerability of a library, and what could not be established."""
    library, name = assessment.library, f"{assessment.library.title} {assessment.version}"
    rows = [
        (advisory.id, advisory.severity, advisory.part, advisory.fixed[library.branch], advisory.title)
        for advisory in assessment.advisories
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
        (advisory.id, advisory.severity, advisory.part, ", ".join(advisory.fixed.values()), advisory.title)
        for advisory in library_advisories()
        if advisory.library == title
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
            {**advisory.model_dump(exclude={"not_here"}), "state": assessment.state}
            for advisory in assessment.advisories
        ],
        "not_established": [report.model_dump() for report in unestablished_of(assessment.library)],
        "remedy": assessment.remedy,
    }


def _concerning(assessment: Assessment, platform: Platform) -> int:
    return sum(vulnerability.advisory.concerns(platform) for vulnerability in assessment.vulnerabilities)


def vulnerability_document(vulnerability: AssessedAdvisory) -> dict[str, object]:
    """Return ``vulnerability`` as ``--json`` shows it."""
    return {**vulnerability.advisory.model_dump(exclude={"marks"}), "state": vulnerability.state}

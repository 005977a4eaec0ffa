"""Which known vulnerabilities the libraries have that are compiled into a program."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from patchkit.errors import UnknownVersionError, VulnerableError
from patchkit.jobs.vulnerabilities import State
from patchkit.releases.libraries import Library, libraries
from patchkit.releases.library_advisories import LibraryAdvisory, first_without, known_of, order
from patchkit.releases.version import shown
from patchkit.source.library import LibrarySource

_GRAVE = ("high", "critical")


@dataclass(frozen=True)
class LibraryAssessment:
    """What is known of one library in one version."""

    library: Library
    version: str
    state: State
    """``affected``, or ``cannot be told`` of a source without a pin, which may carry fixes."""
    advisories: Sequence[LibraryAdvisory]
    remedy: str | None
    """The first release of the same branch that has none of them; None where there are none."""

    @property
    def line(self) -> str:
        """The assessment in one line; empty where nothing is known."""
        if not self.advisories:
            return ""
        count = f"{len(self.advisories)} known vulnerabilit{'y' if len(self.advisories) == 1 else 'ies'}"
        grave = sum(advisory.severity in _GRAVE for advisory in self.advisories)
        severe = f", {grave} of them high" if grave else ""
        name = f"{self.library.title} {self.version}, which is compiled in"
        if self.state == "affected":
            text = f"{name}, has {count}{severe}"
        else:
            text = f"{name}: of {count}{severe}, it cannot be told which are fixed in this source"
        return f"{text}{self._remedy}: patchkit releases --vulnerabilities {self.library.name}"

    @property
    def _remedy(self) -> str:
        if self.remedy is None:
            return ""
        over = self.library.is_over(datetime.datetime.now(datetime.UTC).date())
        return f"; {self.remedy} has none of them" + (", for those who pay OpenSSL" if over else "")


def assess_library(library: Library, version: str, *, verified: bool) -> LibraryAssessment:
    """Assess ``version`` of ``library``; ``verified`` where its bytes are the pinned ones.

    A version that is not a release's is taken for the oldest of its branch, of which nothing is certain.
    """
    try:
        order(version)
        known = known_of(library, version)
    except ValueError:
        known, verified = known_of(library, library.version), False
    remedy = first_without(library, library.version) if known else None
    return LibraryAssessment(library, version, "affected" if verified else "cannot be told", known, remedy)


def assess_named(text: str) -> list[LibraryAssessment]:
    """Assess the library that ``text`` names as builds and tables do: ``openssl-3.5``, ``openssl-3.5.7``, ``OpenSSL``.

    A name alone means the pinned release of each branch. Empty where ``text`` names no library; raises
    UnknownVersionError where it names one, and a branch of it that patchkit does not compile.
    """
    name = text.strip().lower().replace(" ", "-")
    if name in libraries():
        return [_pinned(libraries()[name])]
    title, _, version = name.partition("-")
    branches = [library for library in libraries().values() if library.title.lower() == title]
    if not branches or not version:
        return [_pinned(library) for library in branches]
    for library in branches:
        behind = version.removeprefix(library.branch)
        if behind != version and not behind[:1].isdigit() and _is_release(version):
            return [assess_library(library, version, verified=True)]
    raise UnknownVersionError(
        f"there is no {branches[0].title} {shown(version)} of a branch that patchkit compiles",
        why=f"its branches: {', '.join(library.branch for library in branches)}",
        advice=f"patchkit releases --vulnerabilities {title}",
    )


def _pinned(library: Library) -> LibraryAssessment:
    return assess_library(library, library.version, verified=True)


def _is_release(version: str) -> bool:
    try:
        order(version)
    except ValueError:
        return False
    return True


def assess_source(source: LibrarySource) -> LibraryAssessment:
    """Assess the library that is compiled from ``source``."""
    return assess_library(source.library, source.version, verified=source.verified)


def error_of(assessments: Sequence[LibraryAssessment]) -> VulnerableError | None:
    """Make the error for those who want no vulnerable library; None where nothing is known of any."""
    vulnerable = [assessment for assessment in assessments if assessment.advisories]
    if not vulnerable:
        return None
    return VulnerableError(
        "; ".join(assessment.line.partition(": patchkit")[0] for assessment in vulnerable),
        why="\n".join(
            f"{advisory.id} ({advisory.severity}, {advisory.part}): {advisory.title}"
            for assessment in vulnerable
            for advisory in assessment.advisories
        ),
        advice="--crypto system, where the distribution looks after it; or --openssl-source with a newer release",
    )

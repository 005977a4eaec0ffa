"""Known vulnerabilities of the libraries that patchkit compiles into programs: ``library_advisories.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Annotated

from pydantic import Field

from patchkit.json_schema import Part
from patchkit.releases.advisories import Severity
from patchkit.releases.libraries import Library

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?([a-z]*)", re.ASCII)
_ORDER = tuple[int, int, int, int, str]


class LibraryAdvisory(Part):
    """One vulnerability of a library, with the facts of at least two public records."""

    id: Annotated[str, Field(pattern=r"^CVE-\d{4}-\d{4,}$")]
    library: str
    """The library's title: ``OpenSSL``."""
    part: str
    """The part of the library that has it."""
    title: str
    severity: Severity
    fixed: Annotated[dict[str, str], Field(min_length=1)]
    """The first release without it, by branch; it is in all that come before, and in no branch that is not named."""
    since: dict[str, str] = Field(default={})
    """The first release with it, where that is not the first of the branch."""
    records: Annotated[list[str], Field(min_length=2)]
    not_here: str = ""
    """Why no program of patchkit's can have it; empty where one can."""

    def affects(self, library: Library, version: str) -> bool:
        """Return whether the records count ``version`` of the branch of ``library`` among the affected releases.

        Raises ValueError where ``version`` is not a number with letters, as those of a snapshot.
        """
        fixed = self.fixed.get(library.branch)
        if self.library != library.title or fixed is None:
            return False
        since = self.since.get(library.branch)
        return order(version) < order(fixed) and (since is None or order(since) <= order(version))


class UnestablishedLibraryReport(Part):
    """A report that lacks a second record, or the affected releases."""

    id: str
    library: str
    title: str
    known: str
    """What was found, and where."""


class _Table(Part):
    advisory: list[LibraryAdvisory]
    unestablished: list[UnestablishedLibraryReport]


def order(version: str) -> _ORDER:
    """Return a key that sorts ``version`` as OpenSSL counts: 1.0.2, 1.0.2a, …, 1.0.2z, 1.0.2za. Raises ValueError."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ValueError(f"{version} is not a release")
    return int(match[1]), int(match[2]), int(match[3] or 0), len(match[4]), match[4]


@cache
def _table() -> _Table:
    text = (resources.files("patchkit.releases") / "library_advisories.toml").read_text("utf-8")
    return _Table.model_validate(tomllib.loads(text))


def library_advisories() -> Sequence[LibraryAdvisory]:
    """Read the known vulnerabilities, the oldest first."""
    return _table().advisory


def unestablished_of(library: Library) -> list[UnestablishedLibraryReport]:
    """List the reports on ``library`` that could not be established."""
    return [report for report in _table().unestablished if report.library == library.title]


def known_of(library: Library, version: str) -> list[LibraryAdvisory]:
    """List what the records state for ``version`` of ``library`` and programs of patchkit's can have.

    Raises ValueError where ``version`` is not a release's.
    """
    return [
        advisory for advisory in library_advisories() if not advisory.not_here and advisory.affects(library, version)
    ]


def first_without(library: Library, version: str) -> str | None:
    """Return the first release of the branch of ``library`` that has none of those of ``version``; None without any.

    Raises ValueError where ``version`` is not a release's.
    """
    fixed = [advisory.fixed[library.branch] for advisory in known_of(library, version)]
    return max(fixed, key=order) if fixed else None

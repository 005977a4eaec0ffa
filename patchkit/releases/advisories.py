"""Known vulnerabilities of OpenVPN's releases: ``advisories.toml``, kept by hand and checked by ``ci/pin-advisories``.

Nothing here opens the network, and nothing here looks at files: ``patchkit.jobs.vulnerabilities`` judges a tree.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import Field

from patchkit.json_schema import Part
from patchkit.releases.catalog import Release, catalog
from patchkit.releases.ranges import Range, holds
from patchkit.releases.version import Version

Platform = Literal["all", "posix", "windows"]
Severity = Literal["not rated", "low", "medium", "high", "critical"]
PATCHKIT_BUILDS = frozenset({"openvpn", "interactive service", "tapctl"})
"""The components that are compiled from OpenVPN's source tree with OpenSSL."""


class FixMark(Part):
    """What a source file shows of a fix. White space and comments do not count."""

    file: str
    """The file's name; its folder depends on the release."""
    function: str
    """The function that has or lacks the text; several names, separated by ``|``, where releases differ."""
    has: list[str] = Field(default=[])
    """The function of a fixed tree has one of these, …"""
    lacks: list[str] = Field(default=[])
    """… or none of these, where any are listed."""

    @property
    def functions(self) -> list[str]:
        """The names that the function may have."""
        return self.function.split("|")


class Advisory(Part):
    """One vulnerability, with the facts of at least two public records."""

    id: Annotated[str, Field(pattern=r"^CVE-\d{4}-\d{4,}$")]
    title: str
    severity: Severity
    cvss: str = ""
    """The CVSS version and base score, ``4.0: 8.7``; empty where no record that was read gives one."""
    reach: Literal["remote", "local"]
    platform: Platform
    component: str
    affected: Annotated[list[Range], Field(min_length=1)]
    fixed: list[str]
    """The releases that have the fix, one a series."""
    commits: list[Annotated[str, Field(pattern="^[0-9a-f]{40}$")]] = Field(default=[])
    records: Annotated[list[str], Field(min_length=2)]
    note: str = ""
    marks: list[FixMark] = Field(default=[])

    def affects(self, version: Version) -> bool:
        """Return whether the records count ``version`` among the affected releases."""
        return any(holds(releases, version) for releases in self.affected)

    def concerns(self, platform: Platform) -> bool:
        """Return whether a program for ``platform`` that patchkit can build may have it; ``all`` is any program."""
        if platform == "all":
            return True
        return self.component in PATCHKIT_BUILDS and self.platform in ("all", platform)


class UnestablishedReport(Part):
    """A report of a vulnerability that lacks an identifier, a second record or the affected releases."""

    id: str
    title: str
    fixed: list[str]
    """The releases that are said to have the fix; none where nothing is said."""
    known: str
    """What was found, and where."""

    def may_affect(self, version: Version) -> bool:
        """Return whether ``version`` is older than each release that is said to have the fix."""
        return bool(self.fixed) and all(version < Version.parse(fixed) for fixed in self.fixed)


class _Table(Part):
    advisory: list[Advisory]
    unestablished: list[UnestablishedReport]


@cache
def _table() -> _Table:
    text = (resources.files("patchkit.releases") / "advisories.toml").read_text("utf-8")
    return _Table.model_validate(tomllib.loads(text))


def advisories() -> Sequence[Advisory]:
    """Read the known vulnerabilities, the oldest first."""
    return _table().advisory


def unestablished() -> Sequence[UnestablishedReport]:
    """Read the reports that could not be established."""
    return _table().unestablished


def known(version: Version, platform: Platform = "all") -> list[Advisory]:
    """List the vulnerabilities that concern ``platform`` and that the records state for ``version``."""
    return [advisory for advisory in advisories() if advisory.concerns(platform) and advisory.affects(version)]


def first_without(version: Version, platform: Platform) -> Release | None:
    """Find the oldest pinned final release after ``version`` that has none, of its series or else of a later one.

    None where there is no such release.
    """
    later = [
        release
        for release in catalog().releases
        if version < release.version
        and not release.version.pep440.is_prerelease
        and not known(release.version, platform)
    ]
    own = [release for release in later if release.series == version.series]
    return next(iter(own or later), None)

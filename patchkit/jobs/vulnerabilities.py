"""Which known vulnerabilities a source tree has: by its release where a pin covers it, otherwise by its files too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from patchkit.errors import BadSourceError, VulnerableError
from patchkit.patching.csource import syntax
from patchkit.patching.csource.file import MAX_SOURCE, parse, split_lines
from patchkit.patching.edits import resolved
from patchkit.patching.render import Rendered
from patchkit.releases import advisories
from patchkit.releases.advisories import Advisory, FixMark, Platform, UnestablishedReport
from patchkit.releases.version import Version
from patchkit.source.obtain import Obtained
from patchkit.source.tree.tree import SourceTree
from patchkit.source.tree.version_m4 import own_version

State = Literal["affected", "fixed here", "cannot be told"]
_ON: Mapping[Platform, str] = {"all": "", "posix": " on Linux", "windows": " on Windows"}
_NAMED = 2  # fixed ones that a line names: a variant cures one, a distribution's source a dozen


@dataclass(frozen=True)
class AssessedAdvisory:
    """One advisory, and what is so in this tree."""

    advisory: Advisory
    state: State


@dataclass(frozen=True)
class Assessment:
    """What is known of one source tree for programs of one platform."""

    label: str
    platform: Platform
    vulnerabilities: Sequence[AssessedAdvisory]
    """What the records state of the release, with what is so in this tree."""
    reports: Sequence[UnestablishedReport]
    """Reports that could not be established, which a release after this one is said to have cured."""
    remedy: str | None
    """The release that none of them affects; None where there is none, or nothing to remedy."""
    patched: bool = False
    """Whether the tree was judged with the changes of a patch."""

    def of(self, state: State) -> list[Advisory]:
        """List the advisories that have ``state``."""
        return [vulnerability.advisory for vulnerability in self.vulnerabilities if vulnerability.state == state]

    @property
    def line(self) -> str:
        """The assessment in one line: what the release has, and what this source; empty where nothing is open."""
        affected, untold = self.of("affected"), self.of("cannot be told")
        if not affected and not untold:
            return ""
        fixed = self.of("fixed here")
        parts = [f"{self.label} has {_counted(len(self.vulnerabilities))}{_ON[self.platform]}"]
        if fixed:
            has = str(len(affected)) if affected else "none for certain"
            parts = [f"{parts[0]}; the {'patched source' if self.patched else 'source'} has {has} ({_fixed(fixed)})"]
        elif not affected:
            of = f"{_counted(len(untold))}{_ON[self.platform]}"
            parts = [f"{self.label}: of {of} it cannot be told which are fixed here"]
        remote = sum(advisory.reach == "remote" for advisory in affected)
        parts += [f"{remote} of them remote"] if remote else []
        parts += [f"of {len(untold)} it cannot be told"] if untold and (affected or fixed) else []
        remedy = f"; {self.remedy} has none of them" if self.remedy else ""
        return f"{', '.join(parts)}{remedy}: patchkit releases --vulnerabilities {self.label}"

    @property
    def summary(self) -> str:
        """How many there are, for a report."""
        counts = [(len(self.of("affected")), ""), (len(self.of("cannot be told")), " that may be open")]
        counts += [(len(self.of("fixed here")), " fixed here")]
        parts = [f"{_counted(count)}{what}" for count, what in counts if count]
        parts += [f"{len(self.reports)} report{'s' * (len(self.reports) != 1)} not established"] if self.reports else []
        return ", ".join(parts) or "none"

    def error(self) -> VulnerableError | None:
        """Return the error of ``--fail-on-vulnerable``; None where nothing is affected or untold."""
        named = [*self.of("affected"), *self.of("cannot be told")]
        if not named:
            return None
        return VulnerableError(
            self.line.partition(": patchkit")[0],
            why="\n".join(f"{advisory.id} ({traits(advisory)}): {advisory.title}" for advisory in named),
            advice=f"--version {self.remedy}" if self.remedy else "no pinned release has none of them",
        )


def platform_of(system: str) -> Platform:
    """Return the platform of a target's ``system``, ``linux`` or ``windows``."""
    return "windows" if system == "windows" else "posix"


def traits(advisory: Advisory) -> str:
    """Say in a few words how severe ``advisory`` is, who can use it, and what it concerns."""
    where = [] if advisory.platform == "all" else ["POSIX" if advisory.platform == "posix" else "Windows"]
    what = [] if advisory.component == "openvpn" else [advisory.component]
    return ", ".join([advisory.severity, advisory.reach, *where, *what])


def assess_release(version: Version, platform: Platform) -> Assessment:
    """Assess the release ``version`` by the records alone."""
    return _assessment(
        version.text,
        version,
        platform,
        [AssessedAdvisory(advisory, "affected") for advisory in advisories.known(version, platform)],
    )


def as_compiled(rendered: Rendered, *, defined: bool) -> dict[str, bytes]:
    """Return the files that ``rendered`` changes as a compiler sees them, its guard ``defined`` or not."""
    if not rendered.guard:
        return dict(rendered.files)
    return {path: b"".join(resolved(split_lines(data), on=defined)) for path, data in rendered.files.items()}


def assess(obtained: Obtained, platform: Platform, patched: Mapping[str, bytes] | None = None) -> Assessment:
    """Assess the tree ``obtained`` for programs of ``platform``; ``patched`` are files that a variant has changed.

    A tree that a pin covers is what the records mean. Any other tree may carry fixes: where its release is affected,
    the marks of the fix are looked for in its files, and where there are none it cannot be told.
    """
    origin = obtained.tree.origin
    patched = patched or {}
    version = obtained.release.version if obtained.release and origin.verified else own_version(obtained.tree)
    version = version or obtained.version
    vulnerabilities = []
    for advisory in advisories.known(version, platform):
        state: State | None = "affected" if origin.verified else by_marks(advisory, obtained.tree, patched)
        if origin.verified and patched and by_marks(advisory, obtained.tree, patched) == "fixed here":
            state = "fixed here"
        vulnerabilities.append(AssessedAdvisory(advisory, state or "cannot be told"))
    return _assessment(obtained.label, version, platform, vulnerabilities, patched=bool(patched))


def _assessment(
    label: str,
    version: Version,
    platform: Platform,
    vulnerabilities: Sequence[AssessedAdvisory],
    *,
    patched: bool = False,
) -> Assessment:
    open_ones = any(vulnerability.state != "fixed here" for vulnerability in vulnerabilities)
    remedy = advisories.first_without(version, platform) if open_ones else None
    reports = [report for report in advisories.unestablished() if report.may_affect(version)]
    return Assessment(label, platform, vulnerabilities, reports, remedy.version.text if remedy else None, patched)


def by_marks(advisory: Advisory, tree: SourceTree, patched: Mapping[str, bytes]) -> State:
    """Judge ``advisory`` by the files: fixed where all marks are met, affected where none is, else not to be told."""
    verdicts = {_met(mark, tree, patched) for mark in advisory.marks}
    if verdicts == {True}:
        return "fixed here"
    return "affected" if verdicts == {False} else "cannot be told"


def _met(mark: FixMark, tree: SourceTree, patched: Mapping[str, bytes]) -> bool | None:
    """Whether the tree meets ``mark``; None where it has no such file or no such function."""
    try:
        path = tree.find(mark.file)
        data = patched[path] if path in patched else tree.read(path)
    except BadSourceError:
        return None
    if len(data) > MAX_SOURCE:
        return None
    source = parse(path, data)
    bodies = [
        syntax.squeezed(syntax.bare(node))
        for name in mark.functions
        for node in source.declarations(name)
        if node.type == "function_definition"
    ]
    if not bodies:
        return None
    has = any(syntax.squeezed(text.encode()) in body for body in bodies for text in mark.has)
    lacks = bool(mark.lacks) and not any(
        syntax.squeezed(text.encode()) in body for body in bodies for text in mark.lacks
    )
    return has or lacks


def _fixed(fixed: Sequence[Advisory]) -> str:
    named = ", ".join(advisory.id for advisory in fixed) if len(fixed) <= _NAMED else str(len(fixed))
    return f"{named} {'is' if len(fixed) == 1 else 'are'} fixed in it"


def _counted(count: int) -> str:
    return f"{count} known vulnerabilit{'y' if count == 1 else 'ies'}"

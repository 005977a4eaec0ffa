"""The steps of a verification, and what each of them may end in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from pydantic import Field

from patchkit.errors import PatchkitError
from patchkit.json_schema import Part

StepName = Literal["source", "vulnerabilities", "variants", "prove", "build", "smoke", "lab"]
TRIALS = 200
"""Pairs of handshakes in the lab, unless asked otherwise."""
STEPS: Sequence[StepName] = get_args(StepName)
EvidenceName = Literal["pin", "signature", "tag", "tarball", "comparison"]
EVIDENCE: Sequence[EvidenceName] = get_args(EvidenceName)
"""What can speak for a source: a pin of all bytes, a good signature, the tag, the tarball, and that both agree."""
State = Literal["passed", "finding", "skipped", "not run"]
TITLES: dict[StepName, str] = {
    "source": "The source is upstream's",
    "vulnerabilities": "Known vulnerabilities",
    "variants": "The variants apply",
    "prove": "Only what the variant names has changed",
    "build": "It compiles, stock and patched",
    "smoke": "Both shake hands",
    "lab": "The patch on a lossy link",
}


class Finding(Part):
    """Something that is not as it should be."""

    error: str = Field(description="the class of error, as in docs/exit-codes.md")
    exit_code: int = Field(description="its exit code")
    what: str = Field(description="what was found")
    why: str = Field(description="what it rests on; maybe several lines")
    advice: str = Field(description="what helps")

    @classmethod
    def of(cls, error: PatchkitError) -> Finding:
        """Return ``error`` as a part of the report."""
        return cls(error=error.name, exit_code=error.exit_code, what=error.what, why=error.why, advice=error.advice)


class Fact(Part):
    """One thing that was looked at."""

    name: str = Field(description="what was looked at")
    value: str = Field(description="what it showed")
    good: bool | None = Field(description="null where it speaks neither for nor against")


@dataclass
class StepOutcome:
    """What one step has looked at, before it becomes a part of the report."""

    summary: str = ""
    facts: list[Fact] = field(default_factory=list)
    findings: list[PatchkitError] = field(default_factory=list)

    def add_error(self, name: str, error: PatchkitError) -> None:
        """Add ``error`` as a fact called ``name`` and, once, as a finding: several variants may share it."""
        self.facts.append(Fact(name=name, value=error.what, good=False))
        if error not in self.findings:
            self.findings.append(error)


class StepResult(Part):
    """One step."""

    name: StepName = Field(description="as --only and --skip call it")
    title: str = Field(description="what it is to show")
    state: State = Field(description="passed, with a finding, skipped as asked, or not run because of an earlier one")
    summary: str = Field(description="its result in one line")
    facts: list[Fact] = Field(description="all that was looked at")
    findings: list[Finding] = Field(description="what is not as it should be, the gravest first")
    seconds: float = Field(description="wall time")


class Verification(Part):
    """The whole of it: ``report.json``."""

    schema_version: Literal[1] = Field(default=1, description="goes up when a field changes its meaning or goes away")
    patchkit: str = Field(description="version of patchkit")
    release: str = Field(description="the release, or git. and a commit")
    variants: list[str] = Field(description="the variants in question")
    pinned: bool = Field(description="whether patchkit's pins know this release")
    verdict: str = Field(description="in one sentence")
    checked: list[EvidenceName] = Field(description="the evidence for the source that was there and was checked")
    not_checked: list[EvidenceName] = Field(description="the evidence that was not there: no network, or none exists")
    exit_code: int = Field(description="that of the first finding, in the order of the steps; 0 without any")
    steps: list[StepResult] = Field(description="in order")

    @property
    def findings(self) -> list[Finding]:
        """All findings, in the order of the steps."""
        return [finding for step in self.steps for finding in step.findings]

"""Verification's fourth and fifth step: what was built, stock and patched, and what it did when it was tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from patchkit.errors import PatchkitError, SmokeError
from patchkit.jobs.build.release import Outcome
from patchkit.jobs.verify.model import Fact

_LINKAGE = "linkage"
"""The one check that looks at the file; all others let it run."""


@dataclass
class Looked:
    """What one step looked at."""

    summary: str = ""
    facts: list[Fact] = field(default_factory=list)
    findings: list[PatchkitError] = field(default_factory=list)

    def fault(self, name: str, error: PatchkitError) -> None:
        """A finding; what several variants share, as stock that does not compile, is one."""
        self.facts.append(Fact(name=name, value=error.what, good=False))
        if error not in self.findings:
            self.findings.append(error)


def compiled(outcomes: Sequence[Outcome]) -> Looked:
    """What the compiler made of it."""
    looked = Looked()
    made = 0
    for one in outcomes:
        if one.artifact is not None:
            made += 1
            archive, build = one.artifact.files[0], one.artifact.build
            looked.facts.append(
                Fact(name=one.variant, value=f"{archive.name}, {archive.size} bytes, {archive.sha256}", good=True)
            )
            looked.facts += [
                Fact(name=f"{one.variant}: {check.name}", value=check.detail, good=check.passed)
                for check in one.artifact.checks
                if check.name == _LINKAGE
            ]
            crypto = f"{build.crypto.library} {build.crypto.version}" if build.crypto else "unknown"
            setting = f"{build.engine}: {build.compiler}; {crypto}; {build.recipe}"
            looked.facts.append(Fact(name=f"{one.variant}: with", value=setting, good=None))
        elif isinstance(one.error, SmokeError):
            made += 1
            looked.facts.append(Fact(name=one.variant, value="compiled; no artifact, since its test failed", good=None))
        elif one.error is not None:
            looked.fault(one.variant, one.error)
    looked.summary = f"{made} of {len(outcomes)} compiled: {', '.join(one.variant for one in outcomes)}"
    return looked


def tried(outcomes: Sequence[Outcome], *, told: bool) -> Looked:
    """What the programs did. ``told``: the step before has said what did not compile."""
    looked = Looked()
    handshakes = 0
    for one in outcomes:
        for check in one.artifact.checks if one.artifact else ():
            if check.name != _LINKAGE:
                handshakes += check.name == "handshake" and check.passed
                looked.facts.append(Fact(name=f"{one.variant}: {check.name}", value=check.detail, good=check.passed))
        if isinstance(one.error, SmokeError) or (one.error is not None and not told):
            looked.fault(one.variant, one.error)
    looked.summary = f"{handshakes} handshakes between {', '.join(one.variant for one in outcomes)}"
    return looked

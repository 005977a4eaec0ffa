"""The steps `build` and `smoke` of a verification: what was built, and what the programs did in their tests."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.errors import SmokeError
from patchkit.jobs.build.outcome import Outcome
from patchkit.jobs.verify.model import Fact, StepOutcome
from patchkit.packaging.manifest import Artifact

_LINKAGE = "linkage"
"""The one check that reads the program's file; all others run the program."""


def compilation(outcomes: Sequence[Outcome]) -> StepOutcome:
    """Report which of ``outcomes`` were compiled, with which toolchain. A failed smoke test counts as compiled."""
    step = StepOutcome()
    compiled = 0
    for outcome in outcomes:
        if outcome.artifact is not None:
            compiled += 1
            step.facts += _artifact_facts(outcome.variant, outcome.artifact)
        elif isinstance(outcome.error, SmokeError):
            compiled += 1
            value = "compiled; no artifact, since its test failed"
            step.facts.append(Fact(name=outcome.variant, value=value, good=None))
        elif outcome.error is not None:
            step.add_error(outcome.variant, outcome.error)
    step.summary = f"{compiled} of {len(outcomes)} compiled: {_variants(outcomes)}"
    return step


def smoke_tests(outcomes: Sequence[Outcome], *, reported: bool) -> StepOutcome:
    """Report what the programs of ``outcomes`` did in their tests.

    ``reported``: the step before has reported what did not compile, so that it is not a finding again.
    """
    step = StepOutcome()
    handshakes = 0
    for outcome in outcomes:
        for check in outcome.artifact.checks if outcome.artifact else ():
            if check.name != _LINKAGE:
                handshakes += check.name == "handshake" and check.passed
                step.facts.append(Fact(name=f"{outcome.variant}: {check.name}", value=check.detail, good=check.passed))
        if isinstance(outcome.error, SmokeError) or (outcome.error is not None and not reported):
            step.add_error(outcome.variant, outcome.error)
    step.summary = f"{handshakes} handshakes between {_variants(outcomes)}"
    return step


def _artifact_facts(variant: str, artifact: Artifact) -> list[Fact]:
    archive, build = artifact.files[0], artifact.build
    crypto = f"{build.crypto.library} {build.crypto.version}" if build.crypto else "unknown"
    toolchain = f"{build.engine}: {build.compiler}; {crypto}; {build.recipe}"
    return [
        Fact(name=variant, value=f"{archive.name}, {archive.size} bytes, {archive.sha256}", good=True),
        *(
            Fact(name=f"{variant}: {check.name}", value=check.detail, good=check.passed)
            for check in artifact.checks
            if check.name == _LINKAGE
        ),
        Fact(name=f"{variant}: with", value=toolchain, good=None),
    ]


def _variants(outcomes: Sequence[Outcome]) -> str:
    return ", ".join(outcome.variant for outcome in outcomes)

"""Verify one release step by step: the source is upstream's, the variants apply, and they do what they state."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from patchkit import __version__
from patchkit.building.settings import BuildSettings
from patchkit.context import Context
from patchkit.errors import BadUsageError, NotCheckedError, NotProvenError, PatchkitError, SmokeError
from patchkit.jobs.build.outcome import Outcome
from patchkit.jobs.build.release import build
from patchkit.jobs.build.request import BuildRequest
from patchkit.jobs.matrix.collect_sources import MatrixRequest
from patchkit.jobs.matrix.job import matrix
from patchkit.jobs.prove.job import ProveRequest, prove
from patchkit.jobs.verify.build import compilation, smoke_tests
from patchkit.jobs.verify.evidence import EvidenceRequest
from patchkit.jobs.verify.model import (
    EVIDENCE,
    STEPS,
    TITLES,
    TRIALS,
    EvidenceName,
    Fact,
    Finding,
    State,
    StepName,
    StepOutcome,
    StepResult,
    Verification,
)
from patchkit.jobs.verify.source import JudgedSource, judge_source
from patchkit.jobs.vulnerabilities import assess, traits
from patchkit.patching.combination import combination
from patchkit.patching.variants import STOCK, UpstreamStatus, default_variant, names
from patchkit.releases.keys import expiry_warnings
from patchkit.source.obtain import obtain
from patchkit.storage import check_writable

_RUNS: frozenset[StepName] = frozenset({"prove", "build", "smoke", "lab"})
"""The steps that compile or run upstream's code, whose build system can do whatever it contains."""


@dataclass(frozen=True)
class VerifyRequest:
    """One release, the variants in question, and the steps to run."""

    evidence: EvidenceRequest
    variants: Sequence[str] = ()
    """The variants in question; by default the recommended one."""
    settings: BuildSettings = field(default_factory=BuildSettings)
    steps: Sequence[StepName] = STEPS
    trials: int = TRIALS
    """Trials in the lab, for stock and for each variant."""
    out: Path = Path("verify")
    fail_on_vulnerable: bool = False
    """Whether a known vulnerability is a finding."""
    keep_going: bool = False
    """Whether a source that has turned out not to be upstream's is compiled and run all the same."""
    require: Sequence[EvidenceName] = ()
    """The evidence for the source without which the verification has a finding."""

    @property
    def names(self) -> list[str]:
        """The names of the variants, each once. Raises UnknownVariantError, or ConflictError for variants that exclude
        each other.
        """
        return list(dict.fromkeys(combination(name).name for name in self.variants or [default_variant()]))

    def validate(self) -> None:
        """Check the request before anything is done.

        Raises BadUsageError for stock and for options that do not go together, StorageError for a folder ``out`` that
        cannot be written to, and what ``names`` raises.
        """
        self.evidence.validate()
        check_writable(self.out, "--out")
        if STOCK in self.names:
            raise BadUsageError("stock is what a variant is compared with", advice=f"--variant {default_variant()}")


def chosen_steps(only: Sequence[str], skip: Sequence[str]) -> list[StepName]:
    """Return the steps of ``only``, by default all, without those of ``skip``, in their order.

    Each text is a name or several, separated by commas. Raises BadUsageError for a name that is not a step's, and
    where no step is left.
    """
    included, skipped = _step_names(only), _step_names(skip)
    unknown = [name for name in (*included, *skipped) if name not in STEPS]
    if unknown:
        raise BadUsageError(f"there is no step {unknown[0]!r}", advice=f"the steps are {', '.join(STEPS)}")
    left = [step for step in STEPS if step in (included or STEPS) and step not in skipped]
    if not left:
        raise BadUsageError("no step is left", advice="give --only or --skip, not both")
    return left


def required_evidence(texts: Sequence[str]) -> list[EvidenceName]:
    """Return the evidence that ``texts`` name, each a name or several, separated by commas.

    Raises BadUsageError for an unknown name.
    """
    wanted = _step_names(texts)
    unknown = [name for name in wanted if name not in EVIDENCE]
    if unknown:
        raise BadUsageError(f"there is no evidence {unknown[0]!r}", advice=f"it is {', '.join(EVIDENCE)}")
    return [name for name in EVIDENCE if name in wanted]


def _step_names(texts: Sequence[str]) -> list[str]:
    return [name for text in texts for name in text.split(",")]


def verify(request: VerifyRequest, context: Context) -> Verification:
    """Run the steps that ``request`` names. Findings are in the result.

    Raises what :meth:`VerifyRequest.validate` raises, and what ``judge_source`` raises where there is nothing to
    verify: no source is available, or gpg is missing.
    """
    request.validate()
    variants = request.names
    context.ui.step(f"[1/{len(STEPS)}] {TITLES['source']}")
    began = time.monotonic()
    judged = judge_source(request.evidence, context)
    for text in expiry_warnings(datetime.datetime.now(datetime.UTC).date()):
        context.ui.warn(text)
        judged.facts.append(Fact(name="key expiry", value=text, good=None))
    runner = _StepRunner(request, variants, judged, context)
    results = [runner.step(name, began if name == "source" else None) for name in STEPS]
    findings = [finding for result in results for finding in result.findings]
    return Verification(
        patchkit=__version__,
        release=judged.label,
        variants=variants,
        pinned=judged.release is not None,
        verdict=_verdict(judged, results, findings),
        checked=list(judged.checked),
        not_checked=_not_checked(judged),
        exit_code=findings[0].exit_code if findings else 0,
        steps=results,
    )


def _not_checked(judged: JudgedSource) -> list[EvidenceName]:
    return [name for name in EVIDENCE if name not in judged.checked]


def _verdict(judged: JudgedSource, results: Sequence[StepResult], findings: Sequence[Finding]) -> str:
    """Say in one sentence what came out: never more than what was checked."""
    if findings:
        count = f" (the first of {len(findings)} findings)" if len(findings) > 1 else ""
        return f"{judged.label}: {findings[0].what}{count}"
    known = "".join(f"; {result.summary}" for result in results if result.name == "vulnerabilities" and result.facts)
    passed = [result.name for result in results if result.state == "passed"]
    steps = "" if len(passed) == len(results) else f" in {len(passed)} of {len(results)} steps, the others were not run"
    if "source" not in passed:
        return f"{judged.label}: nothing is wrong{steps}{known}; the source was not judged"
    verdict = f"{judged.label}: nothing is wrong{steps}{known}; checked: {', '.join(judged.checked)}"
    unchecked = _not_checked(judged)
    return f"{verdict}; NOT checked: {', '.join(unchecked)}" if unchecked else verdict


@dataclass
class _StepRunner:
    request: VerifyRequest
    variants: Sequence[str]
    judged: JudgedSource
    context: Context
    refused: set[str] = field(default_factory=set)
    """The variants that do not apply: there is nothing to prove or to build."""

    def step(self, name: StepName, began: float | None) -> StepResult:
        """Run one step, and turn its findings and errors into a result."""
        if began is None and name in self.request.steps:
            self.context.ui.step(f"[{STEPS.index(name) + 1}/{len(STEPS)}] {TITLES[name]}")
        began = time.monotonic() if began is None else began
        outcome, state = self._outcome(name)
        findings = [Finding.of(error) for error in outcome.findings]
        result = StepResult(
            name=name,
            title=TITLES[name],
            state="finding" if findings else state,
            summary=outcome.summary,
            facts=outcome.facts,
            findings=findings,
            seconds=round(time.monotonic() - began, 3),
        )
        if result.state != "skipped":
            self.context.ui.note(f"{name}: {result.state}: {result.summary}")
        return result

    def _outcome(self, name: StepName) -> tuple[StepOutcome, State]:
        steps: dict[StepName, Callable[[], StepOutcome]] = {
            "source": self._source,
            "vulnerabilities": self._vulnerabilities,
            "variants": self._variants,
            "prove": self._prove,
            "build": lambda: compilation(self._built),
            "smoke": lambda: smoke_tests(self._built, reported="build" in self.request.steps),
            "lab": self._lab,
        }
        if name not in self.request.steps:
            return StepOutcome("as asked"), "skipped"
        if name in _RUNS and not self.judged.may_run and not self.request.keep_going:
            first, *_ = self.judged.findings
            unreported = [] if "source" in self.request.steps else [first]
            return StepOutcome(f"{first.what}; --keep-going runs it all the same", findings=unreported), "not run"
        if name in _RUNS and not self._applying:
            return StepOutcome("no variant applies"), "not run"
        try:
            if self._lacks_programs(name):
                return StepOutcome("there is no program to run"), "not run"
            return steps[name](), "passed"
        except PatchkitError as error:
            return StepOutcome(error.what, [Fact(name=name, value=error.what, good=False)], [error]), "passed"

    def _source(self) -> StepOutcome:
        judged = self.judged
        lacking = [name for name in self.request.require if name not in judged.checked]
        lack = NotCheckedError(
            f"not checked, and required: {', '.join(lacking)}",
            why="\n".join(fact.value for fact in judged.facts if fact.name.endswith(": state") and not fact.good),
            advice="run it with a network, or with --git and --source, which name local copies",
        )
        return StepOutcome(judged.summary, judged.facts, [*judged.findings, *([lack] if lacking else [])])

    @property
    def _applying(self) -> list[str]:
        inapplicable = self.refused | self._of_status("not-applicable")
        return [name for name in self.variants if name not in inapplicable]

    def _of_status(self, status: UpstreamStatus) -> frozenset[str]:
        """The variants that have ``status`` for this release."""
        version = self.judged.version
        if version is None:
            return frozenset()
        return frozenset(name for name in self.variants if combination(name).upstream_status(version) == status)

    def _vulnerabilities(self) -> StepOutcome:
        """List what the records state; a finding only where the request says so."""
        assessment = assess(obtain(self.judged.request, self.context), "all")
        facts = [
            Fact(
                name=vulnerability.advisory.id,
                value=f"{vulnerability.state}: {vulnerability.advisory.title} ({traits(vulnerability.advisory)})",
                good={"affected": False, "fixed here": True, "cannot be told": None}[vulnerability.state],
            )
            for vulnerability in assessment.vulnerabilities
        ]
        facts += [
            Fact(name=report.id or "no identifier", value=f"not established: {report.title}. {report.known}", good=None)
            for report in assessment.reports
        ]
        error = assessment.error() if self.request.fail_on_vulnerable else None
        return StepOutcome(assessment.summary, facts, [error] if error else [])

    def _variants(self) -> StepOutcome:
        """Attempt every variant there is; an error of a variant that is not in question is not a finding."""
        source = self.judged.request
        attempted = list(dict.fromkeys([*self.variants, *(name for name in names() if name != STOCK)]))
        (row,) = matrix(MatrixRequest(source, refs=[source.version], variants=attempted), self.context)
        outcome = StepOutcome()
        if row.error is not None:
            raise row.error
        for cell in row.cells:
            name = f"{cell.variant}, guarded" if cell.guard else cell.variant
            in_question = cell.variant in self.variants
            why = f": {cell.error.what}" if cell.error else f" {cell.sha256}" if cell.sha256 else ""
            good = None if cell.verdict == "not-applicable" else cell.error is None
            outcome.facts.append(Fact(name=name, value=f"{cell.verdict}{why}", good=good if in_question else None))
            # Both forms of a variant mostly lack the same anchor.
            reported = {error.why for error in outcome.findings}
            if in_question and cell.error is not None and cell.error.why not in reported:
                outcome.findings.append(cell.error)
            if cell.verdict == "refused" and not cell.guard:
                self.refused.add(cell.variant)
        plain = [cell for cell in row.cells if not cell.guard]
        outcome.summary = ", ".join(f"{cell.variant} {cell.verdict}" for cell in plain)
        return outcome

    def _prove(self) -> StepOutcome:
        outcome = StepOutcome()
        verdicts = []
        for name in self._applying:
            proof = prove(ProveRequest(self.judged.request, name, self.request.settings), self.context)
            changed = ", ".join(
                f"{function.name} ({function.before} to {function.after} bytes)" for function in proof.changed
            )
            outcome.facts += [
                Fact(name=f"{name}: changed, as named", value=changed or "nothing", good=bool(changed)),
                Fact(name=f"{name}: other functions that are the same", value=str(proof.same), good=not proof.strays),
            ]
            if proof.guard:
                off = not proof.guard_off
                value = "object files as stock's" if off else ", ".join(proof.guard_off)
                outcome.facts.append(Fact(name=f"{name}: with the guard off", value=value, good=off))
            if proof.failures:
                outcome.findings.append(
                    NotProvenError(f"{name} is not proven on {proof.release}", why="\n".join(proof.failures))
                )
            verdicts.append(f"{name} {'not proven' if proof.failures else 'proven'}")
        outcome.summary = ", ".join(verdicts)
        return outcome

    @cached_property
    def _built(self) -> list[Outcome]:
        """What was built into the folder that the lab searches, so that nothing is built twice."""
        request = BuildRequest(
            source=self.judged.request,
            variants=[STOCK, *self._applying],
            settings=self.request.settings,
            out=self.context.cache.programs,
            apart=True,
            keep_going=True,
            lenient=True,
        )
        return build(request, self.context)

    def _lacks_programs(self, name: StepName) -> bool:
        """Whether there is nothing to run. Without the step ``build``, the step itself reports what is missing."""
        if "build" not in self.request.steps:
            return False
        if name == "smoke":
            return not any(_is_compiled(outcome) for outcome in self._built)
        return name == "lab" and (STOCK in self._unusable or not set(self._applying) - self._unusable)

    @property
    def _unusable(self) -> frozenset[str]:
        """The variants whose build has failed: an earlier step has reported why, and the lab does not build again."""
        built = self._built if "build" in self.request.steps else []
        return frozenset(outcome.variant for outcome in built if outcome.artifact is None)

    def _lab(self) -> StepOutcome:
        from patchkit.jobs.verify.lab import LabStepRequest, compare  # the lab's statistics take a second to import

        request = LabStepRequest(
            source=self.judged.request,
            settings=self.request.settings,
            variants=[name for name in self._applying if name not in self._unusable],
            superseded=self._of_status("superseded"),
            out=self.request.out / self.judged.label,
            trials=self.request.trials,
        )
        return compare(request, self.context)


def _is_compiled(outcome: Outcome) -> bool:
    return outcome.artifact is not None or isinstance(outcome.error, SmokeError)

"""Verify one release of upstream's, step by step: is it genuine, do the variants apply, do they do what they say?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from patchkit import __version__
from patchkit.building.settings import BuildSettings
from patchkit.context import Context
from patchkit.errors import BadUsageError, NotProvenError, PatchkitError, SmokeError
from patchkit.jobs.build.release import Outcome, build
from patchkit.jobs.build.request import BuildRequest
from patchkit.jobs.matrix.collect_sources import MatrixRequest
from patchkit.jobs.matrix.job import matrix
from patchkit.jobs.prove.job import ProveRequest, prove
from patchkit.jobs.verify.build import Looked, compiled, tried
from patchkit.jobs.verify.evidence import EvidenceRequest
from patchkit.jobs.verify.model import STEPS, TITLES, TRIALS, Fact, Finding, State, StepName, StepResult, Verification
from patchkit.jobs.verify.source import Judged, judge_source
from patchkit.patching.combination import combination
from patchkit.patching.variants import STOCK, UpstreamStatus, default_variant, names
from patchkit.storage import check_writable

_RUNS: frozenset[StepName] = frozenset({"prove", "build", "smoke", "lab"})
"""What lets upstream's code be compiled or run: its build system does as it likes."""


@dataclass(frozen=True)
class VerifyRequest:
    """One release, the variants in question, and the steps to run."""

    evidence: EvidenceRequest
    variants: Sequence[str] = ()
    """The variants in question; by default the recommended one."""
    settings: BuildSettings = field(default_factory=BuildSettings)
    steps: Sequence[StepName] = STEPS
    trials: int = TRIALS
    """Of the lab, for stock and for each variant."""
    out: Path = Path("verify")
    keep_going: bool = False
    """Compile and run even what has turned out not to be upstream's."""

    @property
    def names(self) -> list[str]:
        """The names of the variants, each once. Raises UnknownVariantError, ConflictError."""
        return list(dict.fromkeys(combination(name).name for name in self.variants or [default_variant()]))

    def validate(self) -> None:
        """Raise BadUsageError for stock and for options that do not go together, and StorageError for ``out``."""
        self.evidence.validate()
        check_writable(self.out, "--out")
        if STOCK in self.names:
            raise BadUsageError("stock is what a variant is compared with", advice=f"--variant {default_variant()}")


def chosen_steps(only: Sequence[str], skip: Sequence[str]) -> list[StepName]:
    """The steps in order. Raises BadUsageError for names of none, and where none is left."""
    asked = [word for text in (*only, *skip) for word in text.split(",")]
    unknown = [word for word in asked if word not in STEPS]
    if unknown:
        raise BadUsageError(f"there is no step {unknown[0]!r}", advice=f"the steps are {', '.join(STEPS)}")
    wanted = {word for text in only for word in text.split(",")} or set(STEPS)
    left = [
        step for step in STEPS if step in wanted and step not in {word for text in skip for word in text.split(",")}
    ]
    if not left:
        raise BadUsageError("no step is left", advice="give --only or --skip, not both")
    return left


def verify(request: VerifyRequest, context: Context) -> Verification:
    """Run the steps that ``request`` asks for; what is not as it should be is in the result.

    Raises what :meth:`VerifyRequest.validate` raises, and what leaves nothing to verify: no source at all, no gpg.
    """
    request.validate()
    variants = request.names
    context.ui.step(f"[1/{len(STEPS)}] {TITLES['source']}")
    began = time.monotonic()
    judged = judge_source(request.evidence, context)
    run = _Run(request, variants, judged, context)
    results = [run.step(name, began if name == "source" else None) for name in STEPS]
    findings = [finding for result in results for finding in result.findings]
    return Verification(
        patchkit=__version__,
        release=judged.label,
        variants=variants,
        pinned=judged.release is not None,
        verdict=_verdict(judged.label, results, findings),
        exit_code=findings[0].exit_code if findings else 0,
        steps=results,
    )


def _verdict(label: str, results: Sequence[StepResult], findings: Sequence[Finding]) -> str:
    if findings:
        more = f" (the first of {len(findings)} findings)" if len(findings) > 1 else ""
        return f"{label}: {findings[0].what}{more}"
    done = [result for result in results if result.state == "passed"]
    left = "" if len(done) == len(results) else f" in the {len(done)} of {len(results)} steps that were run"
    return f"{label}: nothing is wrong{left}"


@dataclass
class _Run:
    request: VerifyRequest
    variants: Sequence[str]
    judged: Judged
    context: Context
    left_out: set[str] = field(default_factory=set)
    """Variants that were refused: there is nothing to prove or to build."""

    def step(self, name: StepName, began: float | None) -> StepResult:
        """One step, whatever becomes of it."""
        if began is None and name in self.request.steps:
            self.context.ui.step(f"[{STEPS.index(name) + 1}/{len(STEPS)}] {TITLES[name]}")
        began = time.monotonic() if began is None else began
        looked, state = self._looked(name)
        findings = [Finding.of(error) for error in looked.findings]
        result = StepResult(
            name=name,
            title=TITLES[name],
            state="finding" if findings else state,
            summary=looked.summary,
            facts=looked.facts,
            findings=findings,
            seconds=round(time.monotonic() - began, 3),
        )
        if result.state != "skipped":
            self.context.ui.note(f"{name}: {result.state}: {result.summary}")
        return result

    def _looked(self, name: StepName) -> tuple[Looked, State]:
        work: dict[StepName, Callable[[], Looked]] = {
            "source": lambda: Looked(self.judged.summary, self.judged.facts, self.judged.findings),
            "variants": self._variants,
            "prove": self._prove,
            "build": lambda: compiled(self._built),
            "smoke": lambda: tried(self._built, told="build" in self.request.steps),
            "lab": self._lab,
        }
        if name not in self.request.steps:
            return Looked("as asked"), "skipped"
        if name in _RUNS and not self.judged.may_run and not self.request.keep_going:
            first, *_ = self.judged.findings
            told = [] if "source" in self.request.steps else [first]
            return Looked(f"{first.what}; --keep-going runs it all the same", findings=told), "not run"
        if name in _RUNS and not self._applying:
            return Looked("no variant applies"), "not run"
        try:
            if self._lacks_programs(name):
                return Looked("there is no program to run"), "not run"
            looked = work[name]()
        except PatchkitError as error:
            looked = Looked(error.what, [Fact(name=name, value=error.what, good=False)], [error])
        return looked, "passed"

    @property
    def _applying(self) -> list[str]:
        left_out = self.left_out | self._of_status("not-applicable")
        return [name for name in self.variants if name not in left_out]

    def _of_status(self, status: UpstreamStatus) -> frozenset[str]:
        """The variants of which the catalogue says so, for this release."""
        version = self.judged.version
        if version is None:
            return frozenset()
        return frozenset(name for name in self.variants if combination(name).upstream_status(version) == status)

    def _variants(self) -> Looked:
        """Each variant there is; what only those do that are not in question is no finding."""
        source = self.judged.request
        asked = list(dict.fromkeys([*self.variants, *(name for name in names() if name != STOCK)]))
        (row,) = matrix(MatrixRequest(source, refs=[source.version], variants=asked), self.context)
        looked = Looked()
        if row.error is not None:
            raise row.error
        for cell in row.cells:
            name = f"{cell.variant}, guarded" if cell.guard else cell.variant
            in_question = cell.variant in self.variants
            why = f": {cell.error.what}" if cell.error else f" {cell.sha256}" if cell.sha256 else ""
            good = None if cell.verdict == "not-applicable" else cell.error is None
            looked.facts.append(Fact(name=name, value=f"{cell.verdict}{why}", good=good if in_question else None))
            # Both forms of a variant mostly lack the same anchor.
            if in_question and cell.error is not None and cell.error.why not in {one.why for one in looked.findings}:
                looked.findings.append(cell.error)
            if cell.verdict == "refused" and not cell.guard:
                self.left_out.add(cell.variant)
        plain = [cell for cell in row.cells if not cell.guard]
        looked.summary = ", ".join(f"{cell.variant} {cell.verdict}" for cell in plain)
        return looked

    def _prove(self) -> Looked:
        looked = Looked()
        words = []
        for name in self._applying:
            proof = prove(ProveRequest(self.judged.request, name, self.request.settings), self.context)
            changed = ", ".join(f"{one.name} ({one.before} to {one.after} bytes)" for one in proof.changed)
            looked.facts += [
                Fact(name=f"{name}: changed, as named", value=changed or "nothing", good=bool(changed)),
                Fact(name=f"{name}: other functions that are the same", value=str(proof.same), good=not proof.strays),
            ]
            if proof.guard:
                off = not proof.guard_off
                value = "object files as stock's" if off else ", ".join(proof.guard_off)
                looked.facts.append(Fact(name=f"{name}: with the guard off", value=value, good=off))
            if proof.failures:
                looked.findings.append(
                    NotProvenError(f"{name} is not proven on {proof.release}", why="\n".join(proof.failures))
                )
            words.append(f"{name} {'not proven' if proof.failures else 'proven'}")
        looked.summary = ", ".join(words)
        return looked

    @cached_property
    def _built(self) -> list[Outcome]:
        """Into the folder that the lab looks into, so that nothing is built twice."""
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
        """Whether there is nothing that could run. Without the step of building, a step says itself what it lacks."""
        if "build" not in self.request.steps:
            return False
        if name == "smoke":
            return not any(one.artifact is not None or isinstance(one.error, SmokeError) for one in self._built)
        return name == "lab" and (STOCK in self._unusable or not set(self._applying) - self._unusable)

    @property
    def _unusable(self) -> frozenset[str]:
        """What was built and came to nothing: an earlier step has said why, and the lab need not try again."""
        built = self._built if "build" in self.request.steps else []
        return frozenset(one.variant for one in built if one.artifact is None)

    def _lab(self) -> Looked:
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

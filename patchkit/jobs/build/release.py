"""Build one release in one or more variants: the path from a version to artifacts in ``dist/``."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patchkit.building.engine.choose import choose
from patchkit.building.engine.protocol import Engine, Workspace, one_file
from patchkit.building.flags import check_configured, check_machine, check_program, machine_flags
from patchkit.building.recipe.choose import tree_of
from patchkit.building.recipe.configure_cache import ConfigureAnswers
from patchkit.building.recipe.library_builder import LibraryBuilder
from patchkit.building.recipe.log import BuildLog, build_log
from patchkit.building.recipe.stock_program import StockProgram
from patchkit.building.recipe.tree import OpenVpnTree
from patchkit.building.toolchain import Toolchain, known_target
from patchkit.cache import keep_newest
from patchkit.context import Context
from patchkit.errors import PatchkitError
from patchkit.jobs.build.libraries import (
    check_linked,
    evidence,
    library_source,
    library_source_or_pinned,
    other_sources,
)
from patchkit.jobs.build.plan import BuildInputs, Planned, plan
from patchkit.jobs.build.request import BuildRequest
from patchkit.jobs.build.shared_work import SharedWork
from patchkit.jobs.library_vulnerabilities import assess_source, error_of
from patchkit.jobs.missing_files import MissingFiles
from patchkit.jobs.vulnerabilities import as_compiled, assess, platform_of
from patchkit.packaging import manifest
from patchkit.packaging.dist import Dist, described
from patchkit.patching.render import Rendered
from patchkit.patching.variants import GUARD_MACRO, STOCK
from patchkit.source.library import LibrarySource
from patchkit.source.obtain import Obtained
from patchkit.ui import Ui

if TYPE_CHECKING:  # a build that finds everything up to date needs none of what describes artifacts
    from patchkit.building.check.smoke import Subject
    from patchkit.jobs.build.documents import StandsOn

_KEPT_APART = 40  # artifacts in folders of their own, of a megabyte or two each
_ALL_AT_ONCE = "patchkit mirror sync, where there is a network, then PATCHKIT_MIRROR here"


@dataclass(frozen=True)
class Outcome:
    """What became of one variant, or of one combination of several."""

    variant: str
    artifact: manifest.Artifact | None
    """None where it failed, or where the client of a cluster has it already (``BuildRequest.there``)."""
    error: PatchkitError | None
    seconds: float
    """Wall time of this variant alone; what variants share is not in it."""
    fresh: bool
    """False when the artifact was there already, made from the same inputs."""


def build(request: BuildRequest, context: Context, shared: SharedWork | None = None) -> list[Outcome]:
    """Fetch, verify, patch, compile, test and pack what ``request`` asks for; one outcome a variant, in its order.

    ``shared`` has what an earlier build of the release, for another target, has obtained and rendered.
    Raises the first error, unless ``keep_going``: then errors that concern one variant only are in
    its outcome and the others are built.
    """
    request.validate()
    combinations, known = request.combinations, request.version
    tools = None if known is None else request.toolchain(known)  # refused before anything is fetched
    shared = shared or SharedWork()
    missing = MissingFiles(gather=context.offline)
    obtained = missing.attempt(lambda: shared.obtained(request.source, context, is_known=known is not None))
    if obtained is None:
        if tools is not None:
            _look_for_the_rest(tools, request, missing, context)
        raise missing.error(_ALL_AT_ONCE)
    if shared.is_new(evidence_line := _evidence(obtained)):
        context.ui.note(evidence_line)
    tools = tools or request.toolchain(obtained.version)
    if tools.series.name != obtained.series:
        context.ui.warn(
            f"series {obtained.series} is newer than this patchkit: using the toolchain of {tools.series.name}"
        )
    for why in tools.portability:
        context.ui.note(f"compiled with a flag for it: {why}")
    outcomes: dict[str, Outcome] = {}
    rendered = []
    for variant in combinations:
        try:
            guard = request.guard and not variant.is_stock
            diff = shared.rendered(variant, request.source, context.cache, guard=guard)
            _look_up_vulnerabilities(diff, obtained, request, shared, context.ui)
            rendered.append((variant, diff))
        except PatchkitError as error:
            outcomes[variant.name] = _failed(variant.name, error, 0.0, request)
    if rendered:
        source = missing.attempt(lambda: _library_source(tools, request, context))
        others = other_sources(tools, missing, context)
        _look_up_libraries([*([source] if source else []), *others], request, shared, context.ui)
        context.ui.step(f"Toolchain for {tools.series.name} on {tools.target.name}")
        with choose(request.settings.engine_of(tools), context) as engine:
            identity = missing.attempt(lambda: engine.prepare(tools))
            if identity is None or missing.errors:
                raise missing.error(_ALL_AT_ONCE)
            context.ui.note(f"{engine.name}: {identity.compiler}")
            builder = LibraryBuilder(tools, engine, identity, context, request.settings.jobs)
            library = builder.openssl(source) if source else None
            other_libraries = [builder.library(other) for other in others]
            inputs = BuildInputs(
                obtained,
                tools,
                identity,
                library,
                other_libraries,
                request.signer,
                with_source=request.with_source,
                with_spdx=request.with_spdx,
                packages=request.packages,
            )
            planned = [plan(variant, diff, inputs) for variant, diff in rendered]
            outcomes |= _build(planned, _Job(request, inputs, context), engine)
    if request.apart:
        for artifact in (outcome.artifact for outcome in outcomes.values() if outcome.artifact):
            keep_newest(request.out, _KEPT_APART, used=request.folder(artifact.inputs))
    return [outcomes[variant.name] for variant in combinations]


def _look_up_vulnerabilities(
    diff: Rendered, obtained: Obtained, request: BuildRequest, shared: SharedWork, ui: Ui
) -> None:
    """Warn of the known vulnerabilities of the patched source. Raises VulnerableError where they are to be refused."""
    assessment = assess(obtained, platform_of(known_target(request.target).system), as_compiled(diff, defined=True))
    error = assessment.error() if request.fail_on_vulnerable else None
    if error is not None:
        raise error
    if assessment.line and shared.is_new(assessment.line):
        ui.warn(assessment.line)


def _look_up_libraries(sources: Sequence[LibrarySource], request: BuildRequest, shared: SharedWork, ui: Ui) -> None:
    """Warn of the known vulnerabilities of what is compiled in. Raises VulnerableError where they are to be refused."""
    assessments = [assess_source(source) for source in sources]
    error = error_of(assessments) if request.fail_on_vulnerable else None
    if error is not None:
        raise error
    for assessment in assessments:
        if assessment.line and shared.is_new(assessment.line):
            ui.warn(assessment.line)


def _library_source(tools: Toolchain, request: BuildRequest, context: Context) -> LibrarySource | None:
    find = library_source_or_pinned if request.lenient else library_source
    return find(tools, request.settings.openssl_sources, context)


def _look_for_the_rest(tools: Toolchain, request: BuildRequest, missing: MissingFiles, context: Context) -> None:
    """Look for all else that a build needs where its source is missing, so that a mirror is filled in one go."""
    missing.attempt(lambda: _library_source(tools, request, context))
    other_sources(tools, missing, context)
    with choose(request.settings.engine_of(tools), context) as engine:
        missing.attempt(lambda: engine.prepare(tools))


def _build(planned: Sequence[Planned], job: _Job, engine: Engine) -> dict[str, Outcome]:
    """Take the artifacts that exist, made from the same inputs, and make the others."""
    outcomes = {}
    absent = []
    for plan_of_variant in planned:
        name = plan_of_variant.variant.name
        if job.request.there.get(plan_of_variant.name) == plan_of_variant.inputs:
            outcomes[name] = Outcome(name, None, None, 0.0, fresh=False)
            continue
        artifact = job.dist(plan_of_variant).find(plan_of_variant.name, plan_of_variant.inputs)
        if artifact is None:
            absent.append(plan_of_variant)
        else:
            outcomes[name] = Outcome(name, artifact, None, 0.0, fresh=False)
    if absent:
        name = f"{job.inputs.obtained.label}-{job.inputs.tools.target.name}-{os.getpid()}.log"
        keep = job.request.keep_build
        with (
            build_log(job.context.cache.logs / name, job.context.ui) as log,
            engine.workspace(job.inputs.identity, keep=keep) as workspace,
        ):
            try:
                outcomes |= job.run(workspace, log, absent)
            except PatchkitError as error:  # in what the variants share
                names = [plan_of_variant.variant.name for plan_of_variant in absent]
                outcomes |= {name: _failed(name, error, 0.0, job.request) for name in names}
    return outcomes


@dataclass(frozen=True)
class _Job:
    """One release on one toolchain; all its variants are built in one configured tree."""

    request: BuildRequest
    inputs: BuildInputs
    context: Context

    def dist(self, planned: Planned) -> Dist:
        """Return the folder that the artifact of ``planned`` goes into."""
        return Dist(self.request.folder(planned.inputs))

    def run(self, workspace: Workspace, log: BuildLog, planned: Sequence[Planned]) -> dict[str, Outcome]:
        from patchkit.building.check import smoke
        from patchkit.building.check.smoke import Subject

        answers = ConfigureAnswers(self.context.cache, self.inputs.identity, self.inputs.obtained.tree.origin)
        tree = tree_of(self.inputs.tools)(
            workspace, self.inputs.obtained.tree, self.inputs.tools,
            jobs=self.request.settings.jobs, log=log, answers=answers, libraries=self.inputs.static,
        )  # fmt: skip
        for text in tree.left_out:
            expected = text in self.inputs.tools.target.left_out
            (self.context.ui.note if expected else self.context.ui.warn)(f"left out: {text}")
        self.context.ui.step(f"Configure {self.inputs.obtained.label}")
        tree.configure()
        if self.request.settings.cflags:
            check_configured(self.request.settings.cflags, tree.cflags)
        if machine_flags(self.request.settings.cflags):
            check_machine(self.request.settings.cflags, tree.machine_answer())
        self.context.ui.step(f"Compile {self.inputs.obtained.label}")
        stock = Subject(STOCK, self._stock(workspace, tree, planned), tree.version(""))
        with smoke.prepared_workspace(workspace, self.inputs.tools.target):
            return {plan.variant.name: self._outcome(workspace, tree, plan, stock) for plan in planned}

    def _stock(self, workspace: Workspace, tree: OpenVpnTree, planned: Sequence[Planned]) -> str:
        """Return the path of the stock program: kept by an earlier build, or compiled, as where ``planned`` has it."""
        program = StockProgram(
            self.context.cache,
            self.inputs.identity,
            self.inputs.obtained.tree.origin,
            self.inputs.tools,
            self.inputs.static,
        )
        before = None if any(plan.variant.is_stock for plan in planned) else program.recall()
        if before is not None:
            return tree.place(STOCK, before)
        binary = tree.build(STOCK, {}, defines=(), suffix="")
        program.remember(one_file(workspace.get(binary))[0])
        return binary

    def _outcome(self, workspace: Workspace, tree: OpenVpnTree, planned: Planned, stock: Subject) -> Outcome:
        name, began = planned.variant.name, time.monotonic()
        try:
            artifact = self._artifact(workspace, tree, planned, stock)
        except PatchkitError as error:
            return _failed(name, error, time.monotonic() - began, self.request)
        return Outcome(name, artifact, None, time.monotonic() - began, fresh=True)

    def _artifact(self, workspace: Workspace, tree: OpenVpnTree, planned: Planned, stock: Subject) -> manifest.Artifact:
        from patchkit.building.check import smoke
        from patchkit.building.check.smoke import Subject
        from patchkit.jobs.build.artifact_files import packed
        from patchkit.jobs.build.documents import documents_of
        from patchkit.jobs.build.manifest_entry import describe
        from patchkit.jobs.build.packages import packages

        name = planned.variant.name
        if not planned.variant.is_stock:
            self.context.ui.step(f"Compile {planned.name}")
        defines = (GUARD_MACRO,) if planned.rendered.guard else ()
        binary = tree.build(name, planned.rendered.files, defines=defines, suffix=planned.suffix)
        program, _ = one_file(workspace.get(binary))
        target, epoch = self.inputs.tools.target, self.inputs.obtained.tree.origin.epoch
        linked, holds = check_linked(program, self.inputs.library, target, epoch=epoch)
        check_program(self.request.settings.cflags, program)
        subject = Subject(name, binary, tree.version(planned.suffix))
        self.context.ui.step(f"Smoke test {planned.name}")
        with ThreadPoolExecutor(max_workers=1) as pool:
            # Handshakes mostly wait; installing meanwhile costs nothing. Nothing is packed before all is tried.
            waiting = pool.submit(self._installed, workspace, tree, name)
            known_bad = planned.variant.status == "known-bad"
            test = smoke.smoke_known_bad if known_bad else smoke.smoke
            checks = test(workspace, self.inputs.tools, subject, stock)
            for check in checks:
                if not check.passed:
                    self.context.ui.warn(f"{check.name} failed, as it may for a known-bad variant: {check.detail}")
            installed, base = waiting.result()
        files = packed(planned, self.inputs, installed, self.context.ui)
        artifact = describe(
            planned,
            self.inputs,
            version=subject.version,
            linked=linked,
            files=files,
            checks=[smoke.CheckResult("linkage", holds), *checks],
            left_out=tree.left_out,
            system=base.system,
            added_cflags=self.request.settings.cflags,
        )
        made = packages(self.request.packages, artifact, files, self.inputs, workspace)
        artifact = artifact.model_copy(update={"packages": [described(name, data) for name, data in made.items()]})
        documents = documents_of(artifact, files, base, self.inputs.tools, with_spdx=self.request.with_spdx)
        if self.request.with_source:
            from patchkit.jobs.build.corresponding_source import SUFFIX as SOURCE
            from patchkit.jobs.build.corresponding_source import corresponding_source

            source = corresponding_source(artifact, planned, self.inputs, self.context)
            documents[f"{artifact.name}{SOURCE}"] = source
        documented = artifact.model_copy(
            update={"documents": [described(name, data) for name, data in documents.items()]}
        )
        self.dist(planned).add(documented, {**files, **made, **documents})
        return documented

    def _installed(self, workspace: Workspace, tree: OpenVpnTree, name: str) -> tuple[bytes, StandsOn]:
        """Install the last build, and return the installed tree as a tar, and what its programs stand on."""
        from patchkit.jobs.build.documents import stands_on

        installed = workspace.get(tree.install(name))
        return installed, stands_on(workspace, self.inputs.tools, installed)


def _failed(name: str, error: PatchkitError, seconds: float, request: BuildRequest) -> Outcome:
    if not request.keep_going:
        raise error
    return Outcome(name, None, error, seconds, fresh=True)


def _evidence(obtained: Obtained) -> str:
    origin = obtained.tree.origin
    what = origin.name if origin.commit is None else f"{origin.name}, commit {origin.commit[:12]}"
    return f"{what}: {evidence(origin.verified, 'sha256' if origin.kind == 'tarball' else 'commit and tree')}"

"""Build one release in one or more variants: the path from a version to artifacts in ``dist/``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from patchkit.building.engine.choose import choose
from patchkit.building.engine.protocol import Engine
from patchkit.building.recipe.library_builder import LibraryBuilder
from patchkit.building.recipe.log import build_log
from patchkit.building.toolchain import Toolchain
from patchkit.building.toolchain_table import known_target
from patchkit.cache import keep_newest
from patchkit.context import Context
from patchkit.errors import PatchkitError
from patchkit.jobs.build.libraries import evidence, library_source, library_source_or_pinned, other_sources
from patchkit.jobs.build.one_tree import OneTree
from patchkit.jobs.build.outcome import Outcome
from patchkit.jobs.build.plan import BuildInputs, Planned, plan
from patchkit.jobs.build.request import BuildRequest
from patchkit.jobs.build.shared_work import SharedWork
from patchkit.jobs.library_vulnerabilities import assess_source, error_of
from patchkit.jobs.missing_files import MissingFiles
from patchkit.jobs.vulnerabilities import as_compiled, assess, platform_of
from patchkit.patching.combination import Combination
from patchkit.patching.render import Rendered
from patchkit.source.library import LibrarySource
from patchkit.source.obtain import Obtained
from patchkit.ui import Ui

_KEPT_APART = 40  # artifacts in folders of their own, of a megabyte or two each
_ALL_AT_ONCE = "patchkit mirror sync, where there is a network, then PATCHKIT_MIRROR here"


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
            rendered.append((variant, _rendered(variant, obtained, request, shared, context)))
        except PatchkitError as error:
            if not request.keep_going:
                raise
            outcomes[variant.name] = Outcome.failed(variant.name, error)
    if rendered:
        sources = _Sources(
            missing.attempt(lambda: _library_source(tools, request, context)), other_sources(tools, missing, context)
        )
        _look_up_libraries(sources.all, request, shared, context.ui)
        context.ui.step(f"Toolchain for {tools.series.name} on {tools.target.name}")
        with choose(request.settings.engine_of(tools), context) as engine:
            inputs = _inputs(obtained, tools, sources, engine, request, missing, context)
            planned = [plan(variant, diff, inputs) for variant, diff in rendered]
            outcomes |= _build(planned, OneTree(request, inputs, context), engine)
    if request.apart:
        for artifact in (outcome.artifact for outcome in outcomes.values() if outcome.artifact):
            keep_newest(request.out, _KEPT_APART, used=request.folder(artifact.inputs))
    return [outcomes[variant.name] for variant in combinations]


@dataclass(frozen=True)
class _Sources:
    """The sources of the libraries that are compiled in."""

    crypto: LibrarySource | None
    others: Sequence[LibrarySource]

    @property
    def all(self) -> list[LibrarySource]:
        return [*([self.crypto] if self.crypto else []), *self.others]


def _rendered(
    variant: Combination, obtained: Obtained, request: BuildRequest, shared: SharedWork, context: Context
) -> Rendered:
    guard = request.guard and not variant.is_stock
    diff = shared.rendered(variant, request.source, context.cache, guard=guard)
    _look_up_vulnerabilities(diff, obtained, request, shared, context.ui)
    return diff


def _inputs(
    obtained: Obtained,
    tools: Toolchain,
    sources: _Sources,
    engine: Engine,
    request: BuildRequest,
    missing: MissingFiles,
    context: Context,
) -> BuildInputs:
    """Prepare ``engine`` and compile the libraries in ``sources``; return what all variants stand on.

    Raises what ``missing`` has gathered, and the errors of the engine and of compiling.
    """
    identity = missing.attempt(lambda: engine.prepare(tools))
    if identity is None or missing.errors:
        raise missing.error(_ALL_AT_ONCE)
    context.ui.note(f"{engine.name}: {identity.compiler}")
    builder = LibraryBuilder(tools, engine, identity, context, request.settings.jobs)
    return BuildInputs(
        obtained,
        tools,
        identity,
        builder.openssl(sources.crypto) if sources.crypto else None,
        [builder.library(other) for other in sources.others],
        request.signer,
        with_source=request.with_source,
        with_spdx=request.with_spdx,
        packages=request.packages,
    )


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


def _build(planned: Sequence[Planned], tree: OneTree, engine: Engine) -> dict[str, Outcome]:
    """Take the artifacts that exist, made from the same inputs, and make the others."""
    outcomes = {}
    absent = []
    for plan_of_variant in planned:
        name = plan_of_variant.variant.name
        if tree.request.there.get(plan_of_variant.name) == plan_of_variant.inputs:
            outcomes[name] = Outcome(name, None, None, 0.0, fresh=False)
            continue
        artifact = tree.dist(plan_of_variant).find(plan_of_variant.name, plan_of_variant.inputs)
        if artifact is None:
            absent.append(plan_of_variant)
        else:
            outcomes[name] = Outcome(name, artifact, None, 0.0, fresh=False)
    if absent:
        name = f"{tree.inputs.obtained.label}-{tree.inputs.tools.target.name}-{os.getpid()}.log"
        keep = tree.request.keep_build
        with (
            build_log(tree.context.cache.logs / name, tree.context.ui) as log,
            engine.workspace(tree.inputs.identity, keep=keep) as workspace,
        ):
            try:
                outcomes |= tree.build(workspace, log, absent)
            except PatchkitError as error:  # in what the variants share
                if not tree.request.keep_going:
                    raise
                names = [plan_of_variant.variant.name for plan_of_variant in absent]
                outcomes |= {name: Outcome.failed(name, error) for name in names}
    return outcomes


def _evidence(obtained: Obtained) -> str:
    origin = obtained.tree.origin
    what = origin.name if origin.commit is None else f"{origin.name}, commit {origin.commit[:12]}"
    return f"{what}: {evidence(origin.verified, 'sha256' if origin.kind == 'tarball' else 'commit and tree')}"

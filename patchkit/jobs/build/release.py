"""Build one release in one or more variants: the path from a version to artifacts in ``dist/``."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from patchkit.building.check import smoke
from patchkit.building.check.smoke import Subject
from patchkit.building.engine.choose import choose
from patchkit.building.engine.protocol import Engine, Workspace, one_file
from patchkit.building.recipe.choose import tree_of
from patchkit.building.recipe.configure_cache import ConfigureAnswers
from patchkit.building.recipe.library_builder import LibraryBuilder
from patchkit.building.recipe.log import BuildLog, build_log
from patchkit.building.recipe.tree import OpenVpnTree
from patchkit.building.toolchain import Toolchain, toolchain
from patchkit.context import Context
from patchkit.errors import KnownBadError, PatchkitError
from patchkit.jobs.build.artifact_files import packed
from patchkit.jobs.build.libraries import (
    check_linked,
    library_source,
    library_source_or_pinned,
    other_sources,
    refuse_needless,
)
from patchkit.jobs.build.manifest_entry import describe
from patchkit.jobs.build.plan import Ground, Order, Planned, plan
from patchkit.jobs.missing_files import Shortages
from patchkit.packaging import manifest
from patchkit.packaging.dist import Dist
from patchkit.patching.combination import Combination, combination
from patchkit.patching.render import render
from patchkit.patching.variants import GUARD_MACRO, STOCK
from patchkit.releases.version import Version, shown
from patchkit.source.library import LibrarySource
from patchkit.source.obtain import Obtained, obtain, version_of
from patchkit.storage import check_writable

_ALL_AT_ONCE = "patchkit mirror sync, where there is a network, then PATCHKIT_MIRROR here"


@dataclass(frozen=True)
class Outcome:
    """What became of one variant, or of one combination of several."""

    variant: str
    artifact: manifest.Artifact | None
    error: PatchkitError | None
    seconds: float
    """Wall time of this variant alone; what variants share is not in it."""
    fresh: bool
    """False when the artifact was there already, made from the same inputs."""


def build(order: Order, context: Context) -> list[Outcome]:
    """Fetch, verify, patch, compile, try and pack. One outcome a variant, in the order asked for.

    Raises the first error, unless ``keep_going``: then errors that concern one variant only are in
    its outcome and the others are built.
    """
    chosen = list({one.name: one for one in map(combination, order.variants)}.values())
    _refuse_known_bad(chosen, order)
    # What can be refused without a network is refused before anything is fetched.
    check_writable(order.out, "--out")
    known = version_of(order.request)
    if known is not None:
        _tools(known, order)
    context.ui.step(f"Source of {order.request.version if known else shown(order.request.version)}")
    shortages = Shortages(gather=context.offline)
    obtained = shortages.attempt(lambda: obtain(order.request, context))
    if obtained is None:
        _look_for_the_rest(known, order, shortages, context)
        raise shortages.error(_ALL_AT_ONCE)
    context.ui.note(_vouched(obtained))
    tools = _tools(obtained.version, order)
    if tools.series.name != obtained.series:
        context.ui.warn(
            f"series {obtained.series} is newer than this patchkit: taking the toolchain of {tools.series.name}"
        )
    for why in tools.portability:
        context.ui.note(f"compiled with a flag for it: {why}")
    outcomes: dict[str, Outcome] = {}
    rendered = []
    for one in chosen:
        try:
            guard = order.guard and not one.is_stock
            rendered.append((one, render(one, obtained.tree, obtained.label, series=obtained.series, guard=guard)))
        except PatchkitError as error:
            outcomes[one.name] = _failed(one.name, error, 0.0, order)
    if rendered:
        source = shortages.attempt(lambda: _library_source(tools, order, context))
        others = other_sources(tools, shortages, context)
        context.ui.step(f"Toolchain for {tools.series.name} on {tools.target.name}")
        with choose(order.engine, context) as engine:
            identity = shortages.attempt(lambda: engine.prepare(tools))
            if identity is None or shortages.errors:
                raise shortages.error(_ALL_AT_ONCE)
            context.ui.note(f"{engine.name}: {identity.compiler}")
            builder = LibraryBuilder(tools, engine, identity, context, order.jobs)
            library = builder.openssl(source) if source else None
            more = [builder.library(other) for other in others]
            ground = Ground(obtained, tools, identity, library, more, order.signer)
            planned = [plan(one, diff, ground) for one, diff in rendered]
            outcomes |= _build(planned, _Job(order, ground, context), engine)
    return [outcomes[one.name] for one in chosen]


def _tools(version: Version, order: Order) -> Toolchain:
    tools = toolchain(version, order.target, crypto=order.crypto, features=order.features, cflags=order.cflags)
    if not order.lenient:
        refuse_needless(tools, order.openssl_sources)
    return tools


def _library_source(tools: Toolchain, order: Order, context: Context) -> LibrarySource | None:
    find = library_source_or_pinned if order.lenient else library_source
    return find(tools, order.openssl_sources, context)


def _look_for_the_rest(known: Version | None, order: Order, shortages: Shortages, context: Context) -> None:
    """There is no source: is there all else? Whoever fills a mirror by hand wants to go only once."""
    if known is None:
        return
    tools = _tools(known, order)
    shortages.attempt(lambda: _library_source(tools, order, context))
    other_sources(tools, shortages, context)
    with choose(order.engine, context) as engine:
        shortages.attempt(lambda: engine.prepare(tools))


def _build(planned: Sequence[Planned], job: _Job, engine: Engine) -> dict[str, Outcome]:
    """What is there already, and what has to be made."""
    outcomes = {}
    missing = []
    for one in planned:
        artifact = job.dist.find(one.name, one.inputs)
        if artifact is None:
            missing.append(one)
        else:
            outcomes[one.variant.name] = Outcome(one.variant.name, artifact, None, 0.0, fresh=False)
    if missing:
        name = f"{job.ground.obtained.label}-{job.ground.tools.target.name}-{os.getpid()}.log"
        keep = job.order.keep_build
        with (
            build_log(job.context.cache.logs / name, job.context.ui) as log,
            engine.workspace(job.ground.identity, keep=keep) as workspace,
        ):
            try:
                outcomes |= job.run(workspace, log, missing)
            except PatchkitError as error:  # in what the variants share
                outcomes |= {one.variant.name: _failed(one.variant.name, error, 0.0, job.order) for one in missing}
    return outcomes


@dataclass(frozen=True)
class _Job:
    """One release on one toolchain; all its variants are built in one configured tree."""

    order: Order
    ground: Ground
    context: Context

    @property
    def dist(self) -> Dist:
        return Dist(self.order.out)

    def run(self, workspace: Workspace, log: BuildLog, planned: Sequence[Planned]) -> dict[str, Outcome]:
        answers = ConfigureAnswers(self.context.cache, self.ground.identity, self.ground.obtained.tree.origin)
        tree = tree_of(self.ground.tools)(
            workspace, self.ground.obtained.tree, self.ground.tools,
            jobs=self.order.jobs, log=log, answers=answers, libraries=self.ground.static,
        )  # fmt: skip
        for text in tree.left_out:
            self.context.ui.warn(f"left out: {text}")
        self.context.ui.step(f"Configure {self.ground.obtained.label}")
        tree.configure()
        self.context.ui.step(f"Compile {self.ground.obtained.label}")
        stock = Subject(STOCK, tree.build(STOCK, {}, defines=(), suffix=""), tree.version(""))
        with smoke.bench(workspace, self.ground.tools.target):
            return {one.variant.name: self._one(workspace, tree, one, stock) for one in planned}

    def _one(self, workspace: Workspace, tree: OpenVpnTree, planned: Planned, stock: Subject) -> Outcome:
        name, began = planned.variant.name, time.monotonic()
        try:
            artifact = self._artifact(workspace, tree, planned, stock)
        except PatchkitError as error:
            return _failed(name, error, time.monotonic() - began, self.order)
        return Outcome(name, artifact, None, time.monotonic() - began, fresh=True)

    def _artifact(self, workspace: Workspace, tree: OpenVpnTree, planned: Planned, stock: Subject) -> manifest.Artifact:
        name = planned.variant.name
        if not planned.variant.is_stock:
            self.context.ui.step(f"Compile {planned.name}: what the variant touches")
        defines = (GUARD_MACRO,) if planned.rendered.guard else ()
        binary = tree.build(name, planned.rendered.files, defines=defines, suffix=planned.suffix)
        program, _ = one_file(workspace.get(binary))
        target, epoch = self.ground.tools.target, self.ground.obtained.tree.origin.epoch
        linked, holds = check_linked(program, self.ground.library, target, epoch=epoch)
        subject = Subject(name, binary, tree.version(planned.suffix))
        self.context.ui.step(f"Smoke test {planned.name}")
        with ThreadPoolExecutor(max_workers=1) as pool:
            # Handshakes mostly wait; installing meanwhile costs nothing. Nothing is packed before all is tried.
            waiting = pool.submit(tree.install, name)
            known_bad = planned.variant.status == "known-bad"
            checks = smoke.smoke(workspace, self.ground.tools, subject, stock, must_shake_hands=not known_bad)
            for check in checks:
                if not check.passed:
                    self.context.ui.warn(f"{check.name} failed, as it may for a known-bad variant: {check.detail}")
            installed = workspace.get(waiting.result())
        files = packed(planned, self.ground, installed, self.context.ui)
        artifact = describe(
            planned,
            self.ground,
            version=subject.version,
            linked=linked,
            files=files,
            checks=[smoke.CheckResult("linkage", holds), *checks],
            left_out=tree.left_out,
        )
        self.dist.add(artifact, files)
        return artifact


def _refuse_known_bad(chosen: Sequence[Combination], order: Order) -> None:
    bad = [part for one in chosen for part in one.parts if part.status == "known-bad"]
    if bad and not order.allow_known_bad:
        raise KnownBadError(
            f"{bad[0].name} is known to be bad",
            why=bad[0].description.strip(),
            advice="to build it all the same, to look at it: --allow-known-bad",
        )


def _failed(name: str, error: PatchkitError, seconds: float, order: Order) -> Outcome:
    if not order.keep_going:
        raise error
    return Outcome(name, None, error, seconds, fresh=True)


def _vouched(obtained: Obtained) -> str:
    origin = obtained.tree.origin
    what = origin.name if origin.commit is None else f"{origin.name}, commit {origin.commit[:12]}"
    if not origin.verified:
        return f"{what}: NOT verified, no pin vouches for it"
    return f"{what}: verified, {'sha256' if origin.kind == 'tarball' else 'commit and tree'} as pinned"

"""Prove from object files what a variant changes: the functions it names, and nothing with the guard off."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from patchkit.building.engine.choose import choose
from patchkit.building.engine.protocol import EngineName, cores
from patchkit.building.recipe.autotools import AutotoolsTree
from patchkit.building.recipe.configure_cache import ConfigureAnswers
from patchkit.building.recipe.library_builder import LibraryBuilder
from patchkit.building.recipe.log import build_log
from patchkit.building.toolchain import known_target, toolchain
from patchkit.context import Context
from patchkit.errors import BadUsageError, CompileError, ToolchainError, UnknownTargetError
from patchkit.jobs.build.libraries import library_source, refuse_needless
from patchkit.jobs.prove.compare_objects import Prover
from patchkit.jobs.prove.result import Proof
from patchkit.patching.combination import combination
from patchkit.patching.render import render
from patchkit.source.obtain import Request, obtain


@dataclass(frozen=True)
class Claim:
    """What is to be proven."""

    request: Request
    variant: str
    target: str = "linux-amd64"
    engine: EngineName = "auto"
    configure: Sequence[str] = ()
    """Further arguments for configure."""
    jobs: int = field(default_factory=cores)
    crypto: str | None = None
    """As in a build's order; otherwise the system's headers, which do for most."""
    openssl_sources: Sequence[str] = ()


def prove(claim: Claim, context: Context) -> Proof:
    """Compile what the variant touches, stock, patched and guarded, and compare. Raises the rooms' errors."""
    combined = combination(claim.variant)
    if combined.is_stock:
        raise BadUsageError("stock changes nothing: there is nothing to prove", advice="--variant retransmit")
    if known_target(claim.target).cross:
        raise UnknownTargetError(
            f"there is no proof for {claim.target}",
            why="object files are compared in the form that they have on this machine",
            advice="the source that the variant changes is the same for --target linux-amd64",
        )
    context.ui.step(f"Source of {claim.request.version}")
    obtained = obtain(claim.request, context)
    tools = toolchain(obtained.version, claim.target, crypto=claim.crypto, linking=False)
    refuse_needless(tools, claim.openssl_sources)
    source = library_source(tools, claim.openssl_sources, context)
    plain = render(combined, obtained.tree, obtained.label, series=obtained.series)
    guard = None
    if combined.guard:
        guard = render(combined, obtained.tree, obtained.label, series=obtained.series, guard=True)
    context.ui.step(f"Toolchain for {tools.series.name} on {tools.target.name}")
    with choose(claim.engine, context) as engine:
        identity = engine.prepare(tools)
        context.ui.note(f"{engine.name}: {identity.compiler}")
        builder = LibraryBuilder(tools, engine, identity, context, claim.jobs)
        library = builder.openssl(source) if source else None
        name = f"prove-{obtained.label}-{tools.target.name}-{os.getpid()}.log"
        with (
            build_log(context.cache.logs / name, context.ui) as log,
            engine.workspace(identity, keep=False) as workspace,
        ):
            answers = ConfigureAnswers(context.cache, identity, obtained.tree.origin)
            tree = AutotoolsTree(
                workspace,
                obtained.tree,
                tools,
                jobs=claim.jobs,
                log=log,
                answers=answers,
                libraries=[library] if library else [],
            )
            context.ui.step(f"Configure {obtained.label}")
            tree.configure(*claim.configure)
            context.ui.step(f"Compile what {combined.name} touches: stock, patched{', guarded' if guard else ''}")
            try:
                return Prover(tree, plain, guard, combined).proof(obtained, tools, identity)
            except CompileError as error:
                if tools.crypto.links:
                    raise
                raise ToolchainError(
                    f"{combined.name} can't be proven on {obtained.label} with this toolchain",
                    why=f"{error.what}\n{error.why}\nwith the system's OpenSSL, only sources compile here that do not "
                    f"need the OpenSSL of their time; wanted: {', '.join(combined.files)}",
                    advice="--crypto pinned",
                ) from error

"""Prove from object files what a variant changes: the functions it names, and nothing with the guard off."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from patchkit.building.engine.choose import choose
from patchkit.building.recipe.autotools import AutotoolsTree
from patchkit.building.recipe.configure_cache import ConfigureAnswers
from patchkit.building.recipe.library_builder import LibraryBuilder
from patchkit.building.recipe.log import build_log
from patchkit.building.settings import BuildSettings
from patchkit.building.toolchain_table import known_target
from patchkit.context import Context
from patchkit.errors import BadUsageError, CompileError, ToolchainError, UnknownTargetError
from patchkit.jobs.build.libraries import library_source
from patchkit.jobs.build.request import refuse_needless_openssl
from patchkit.jobs.prove.compare_objects import Prover
from patchkit.jobs.prove.result import Proof
from patchkit.patching.combination import combination
from patchkit.patching.render import Rendered, render
from patchkit.patching.touched import named
from patchkit.source.obtain import SourceRequest, obtain
from patchkit.source.tree.tree import SourceTree

_CODE = (".c", ".h")
_BUILD_FILES = ("configure", "Makefile", "CMakeLists.txt", "CMakePresets.json")
_BUILD_ENDINGS = (".am", ".ac", ".m4", ".in", ".cmake", ".mk")


@dataclass(frozen=True)
class ProveRequest:
    """One variant on one release."""

    source: SourceRequest
    variant: str
    settings: BuildSettings = field(default_factory=BuildSettings)
    """Without a choice of the crypto library, the system's headers are taken, which most releases compile with."""
    target: str = "linux-amd64"
    configure: Sequence[str] = ()
    """Further arguments for configure."""

    def validate(self) -> None:
        """Raise UnknownVariantError, BadUsageError for stock, and UnknownTargetError for a cross-compiled target."""
        if combination(self.variant).is_stock:
            raise BadUsageError("stock changes nothing: there is nothing to prove", advice="--variant retransmit")
        if known_target(self.target).cross:
            raise UnknownTargetError(
                f"there is no proof for {self.target}",
                why="object files are compared in the form that they have on this machine",
                advice="the source that the variant changes is the same for --target linux-amd64",
            )


def prove(request: ProveRequest, context: Context) -> Proof:
    """Compile what the variant of ``request`` touches, stock, patched and guarded, and compare the object files.

    Raises what :meth:`ProveRequest.validate`, obtaining, rendering and compiling raise, and ToolchainError where the
    variant's sources need the OpenSSL of their time. Raises BadUsageError where it brings C files or changes the build
    system's.
    """
    request.validate()
    combined = combination(request.variant)
    context.ui.step(f"Source of {request.source.version or request.source.source}")
    obtained = obtain(request.source, context)
    tools = request.settings.toolchain(obtained.version, request.target, linking=False)
    refuse_needless_openssl(tools, request.settings)
    source = library_source(tools, request.settings.openssl_sources, context)
    plain = render(combined, obtained.tree, obtained.label, series=obtained.series)
    plain, aside = _only_code(combined.name, plain, obtained.tree)
    combined = named(combined, plain, obtained.tree)
    guard = None
    if combined.guard:
        guarded = render(combined, obtained.tree, obtained.label, series=obtained.series, guard=True)
        guard, _ = _only_code(combined.name, guarded, obtained.tree)
    context.ui.step(f"Toolchain for {tools.series.name} on {tools.target.name}")
    if aside:
        context.ui.note(f"not compared, since no compiler reads it: {', '.join(aside)}")
    with choose(request.settings.engine, context) as engine:
        identity = engine.prepare(tools)
        context.ui.note(f"{engine.name}: {identity.compiler}")
        builder = LibraryBuilder(tools, engine, identity, context, request.settings.jobs)
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
                jobs=request.settings.jobs,
                log=log,
                answers=answers,
                libraries=[library] if library else [],
            )
            context.ui.step(f"Configure {obtained.label}")
            tree.configure(*request.configure)
            context.ui.step(f"Compile what {combined.name} touches: stock, patched{', guarded' if guard else ''}")
            try:
                return Prover(tree, plain, guard, combined).proof(obtained, tools, identity)
            except CompileError as error:
                if tools.crypto.links:
                    raise
                raise ToolchainError(
                    f"{combined.name} can't be proven on {obtained.label} with this toolchain",
                    why=f"{error.what}\n{error.why}\nwith the system's OpenSSL, only sources compile here that do not "
                    f"need the OpenSSL of their time; needed: {', '.join(combined.files)}",
                    advice="--crypto pinned",
                ) from error


def _only_code(name: str, rendered: Rendered, tree: SourceTree) -> tuple[Rendered, list[str]]:
    """Return ``rendered`` with the C files that it changes alone, and the names of its other files.

    Raises BadUsageError where it brings C files, or changes what decides how all others are compiled.
    """
    code = {path: data for path, data in rendered.files.items() if path.endswith(_CODE)}
    aside = [path for path in rendered.files if path not in code]
    brought = [f"brings {path}" for path in code if path not in tree]
    deciding = [f"changes {path}" for path in aside if _decides(path)]
    if brought or deciding:
        raise BadUsageError(
            f"there is no proof for {name}: it {' and '.join([*brought[:2], *deciding[:2]])}",
            why="\n".join(
                [
                    *(["a source that stock does not have can't be compared with stock's"] if brought else []),
                    *(["the build system decides how every source is compiled, and which are"] if deciding else []),
                ]
            ),
            advice="patchkit build compiles and tests it; a patch of stock's own C files alone can be proven",
        )
    return replace(rendered, files=code), aside


def _decides(path: str) -> bool:
    """Return whether the file ``path`` is the build system's, or its input."""
    name = path.rpartition("/")[2]
    return name in _BUILD_FILES or name.endswith(_BUILD_ENDINGS)

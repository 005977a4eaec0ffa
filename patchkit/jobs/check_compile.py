"""Compile the sources that a variant changes, before and after, in the very tree that it was rendered for."""

from __future__ import annotations

import os

from patchkit.building.engine.choose import choose
from patchkit.building.recipe.autotools import AutotoolsTree
from patchkit.building.recipe.configure_cache import ConfigureAnswers
from patchkit.building.recipe.library_builder import LibraryBuilder
from patchkit.building.recipe.log import build_log
from patchkit.building.settings import BuildSettings
from patchkit.context import Context
from patchkit.errors import CompileError, ToolchainError
from patchkit.jobs.build.libraries import library_source
from patchkit.patching.render import Rendered
from patchkit.patching.variants import GUARD_MACRO
from patchkit.source.obtain import Obtained

_TARGET = "linux-amd64"


def check_compile(obtained: Obtained, rendered: Rendered, context: Context, settings: BuildSettings) -> None:
    """Check that what ``rendered`` changes in ``obtained`` compiles as the tree does without it. Nothing is written.

    A header's change is seen in the sources that are changed with it. Raises CompileError where the patched sources do
    not compile, ToolchainError where the unpatched ones do not either, or there is no toolchain, and what the choice of
    an engine and configure raise.
    """
    sources = [path for path in rendered.files if path.endswith(".c")]
    if not sources:
        return
    tools = settings.toolchain(obtained.version, _TARGET, linking=False)
    library_from = library_source(tools, settings.openssl_sources, context)
    with choose(settings.engine, context) as engine:
        identity = engine.prepare(tools)
        builder = LibraryBuilder(tools, engine, identity, context, settings.jobs)
        library = builder.openssl(library_from) if library_from else None
        name = f"check-{obtained.label}-{os.getpid()}.log"
        with (
            build_log(context.cache.logs / name, context.ui) as log,
            engine.workspace(identity, keep=False) as workspace,
        ):
            tree = AutotoolsTree(
                workspace,
                obtained.tree,
                tools,
                jobs=settings.jobs,
                log=log,
                answers=ConfigureAnswers(context.cache, identity, obtained.tree.origin),
                libraries=[library] if library else [],
            )
            context.ui.step(f"Compile what {rendered.variant} changes: {', '.join(sources)}")
            try:
                tree.configure()
                tree.objects(sources, {})
            except CompileError as error:
                raise ToolchainError(
                    "the tree does not compile here as it is, so nothing can be said of the patched one",
                    why=f"{error.what}\n{error.why}",
                    advice="leave --check-compile out",
                ) from error
            try:
                tree.objects(sources, rendered.files, defines=(GUARD_MACRO,) if rendered.guard else ())
            except CompileError as error:
                raise CompileError(
                    f"{rendered.variant} fits this tree and does not compile in it: nothing was written",
                    why=f"{error.what}\n{error.why}",
                    advice=error.advice,
                ) from error

"""Compile the libraries that are linked statically, on the engine that will use them, or take them from the cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from patchkit import resources
from patchkit.building.engine.protocol import OWNER, Engine, Identity
from patchkit.building.recipe import openssl
from patchkit.building.recipe.log import BuildLog, build_log
from patchkit.building.recipe.static_library import DEPENDENCIES, CompiledLibrary, flags
from patchkit.building.toolchain import Toolchain
from patchkit.context import Context
from patchkit.errors import CompileError
from patchkit.source.library import LibrarySource
from patchkit.storage import keep, kept


@dataclass(frozen=True)
class LibraryBuilder:
    """Compiles libraries with one toolchain on one engine, or takes them from the cache."""

    toolchain: Toolchain
    engine: Engine
    identity: Identity
    """The engine's, with this toolchain."""
    context: Context
    jobs: int
    """How many processes may run side by side."""

    def openssl(self, source: LibrarySource) -> CompiledLibrary:
        """Compile the OpenSSL ``source``, or take it from the cache.

        Raises ValueError where the toolchain has the system's library, CompileError, and the engine's errors.
        """
        recipe = self.toolchain.openssl
        if recipe is None:
            raise ValueError("this toolchain has the system's library")
        jobs = self.jobs if recipe.parallel else 1
        return self._library(source, openssl.SCRIPT, openssl.script_words(self.toolchain, recipe), jobs)

    def library(self, source: LibrarySource) -> CompiledLibrary:
        """Compile ``source`` with the script of its name, or take it from the cache.

        Raises CompileError and the engine's errors.
        """
        words = [self.toolchain.base_target.triplet, flags(self.toolchain)]
        return self._library(source, f"{source.library.name}.sh", words, self.jobs)

    def _library(self, source: LibrarySource, script_name: str, words: Sequence[str], jobs: int) -> CompiledLibrary:
        """Compile ``source`` with a script below ``docker/``, called with ``jobs`` and ``words``."""
        script = (resources.folder("docker") / script_name).read_text("utf-8")
        # The number of jobs decides nothing of the result.
        parts = [script, *words, _contents(source), self.identity.digest]
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        path = self.context.cache.libraries / f"{source.library.name}-{key[:32]}.tar"
        with self.context.cache.lock(path.name):
            archive = kept(path)
            if archive is None:
                archive = self._compile(source, ["sh", "-c", script, "sh", str(jobs), *words])
                keep(path, archive)
        return CompiledLibrary(source, key, archive)

    def _compile(self, source: LibrarySource, command: Sequence[str]) -> bytes:
        title, target = f"{source.library.title} {source.version}", self.toolchain.target
        self.context.ui.step(f"Compile {title}, static, for {target.name}, and keep it in the cache")
        log_path = self.context.cache.logs / f"{source.library.name}-{target.name}-{os.getpid()}.log"
        with build_log(log_path, self.context.ui) as log:
            try:
                return self._run(source, command, log)
            except CompileError as error:
                raise CompileError(f"{title} does not compile", why=error.why, advice=error.advice) from error

    def _run(self, source: LibrarySource, command: Sequence[str], log: BuildLog) -> bytes:
        tree = source.tree
        variables = {"LC_ALL": "C", "TZ": "UTC", "SOURCE_DATE_EPOCH": str(tree.origin.epoch)}
        with self.engine.workspace(self.identity, keep=False) as workspace:
            workspace.put(tree.tar("library", OWNER))
            log.run(workspace, command, cwd="library", env={**variables, **self.toolchain.target.environment})
            return workspace.get(DEPENDENCIES)


def _contents(source: LibrarySource) -> str:
    """Return a name for every byte of ``source``, pinned or not, and for the date that it is built with."""
    origin = source.origin
    if origin.tree is not None:
        return f"{origin.tree} {origin.epoch}"  # several commits can have one tree
    return origin.sha256 or hashlib.sha256(source.tree.tar("x")).hexdigest()

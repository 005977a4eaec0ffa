"""Libraries that are linked statically: compiled from source on the engine that will use them, kept by content.

Compilers find them through CPATH and LIBRARY_PATH: a path on configure's command line would end up in what old
releases print about themselves, and two builds in two folders would not be the same to the byte.
"""

from __future__ import annotations

import hashlib
import io
import os
import shlex
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from patchkit import resources
from patchkit.building.engine.protocol import OWNER, Engine, Identity
from patchkit.building.recipe.log import BuildLog, build_log
from patchkit.building.toolchain import Toolchain
from patchkit.context import Context
from patchkit.errors import CompileError
from patchkit.source.library import LibrarySource
from patchkit.source.tree.tree import SourceTree
from patchkit.storage import reading, replace_all

DEPENDENCIES = "deps"
LICENCES = "licences"
"""Where the archive keeps the licences of what it holds, below DEPENDENCIES."""


@dataclass(frozen=True)
class StaticLibrary:
    """Headers, archives and licences, as a tar of ``deps/include``, ``deps/lib`` and ``deps/licences``."""

    source: LibrarySource
    key: str
    """A hash of all that decided what it became."""
    archive: bytes


def licences(libraries: Sequence[StaticLibrary]) -> dict[str, bytes]:
    """The texts that libraries come under, by path: ``openssl/LICENSE.txt``."""
    found: dict[str, bytes] = {}
    for library in libraries:
        with tarfile.open(fileobj=io.BytesIO(library.archive)) as members:
            for member in members:
                inside = member.name.removeprefix(f"{DEPENDENCIES}/{LICENCES}/")
                content = members.extractfile(member) if member.isreg() and inside != member.name else None
                if content is not None:
                    found[inside] = content.read()
    return found


def environment(top: str) -> dict[str, str]:
    """What makes compilers find the libraries of a workspace at ``top``; a cross compiler, their headers only."""
    return {"CPATH": f"{top}/{DEPENDENCIES}/include", "LIBRARY_PATH": f"{top}/{DEPENDENCIES}/lib"}


@dataclass(frozen=True)
class Recipe:
    """A script below ``docker/`` that compiles a library in its folder, and the words it is called with."""

    script: str
    words: Sequence[str]
    jobs: int
    """How many processes it may run side by side: goes before the words, and decides nothing of the result."""


def flags(toolchain: Toolchain) -> str:
    """The compiler flags of libraries: the same for all series, so that they can share them."""
    return shlex.join([*toolchain.base_target.cflags, *toolchain.base_target.cppflags])


def static_library(
    source: LibrarySource, recipe: Recipe, toolchain: Toolchain, engine: Engine, identity: Identity, context: Context
) -> StaticLibrary:
    """Compile a library, or take it from the cache. Raises CompileError and the engine's errors."""
    script = (resources.folder("docker") / recipe.script).read_text("utf-8")
    parts = [script, *recipe.words, _contents(source), identity.digest]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    path = context.cache.libraries / f"{source.library.name}-{key[:32]}.tar"
    with context.cache.lock(path.name):
        kept = _kept(path)
        if kept is None:
            title = f"{source.library.title} {source.version}"
            context.ui.step(f"Compile {title}, static, for {toolchain.target.name}; it is kept")
            name = f"{source.library.name}-{toolchain.target.name}-{os.getpid()}.log"
            command = ["sh", "-c", script, "sh", str(recipe.jobs), *recipe.words]
            with build_log(context.cache.logs / name, context.ui) as log:
                try:
                    kept = _compile(source.tree, command, toolchain, engine, identity, log)
                except CompileError as error:
                    raise CompileError(f"{title} does not compile", why=error.why, advice=error.advice) from error
            replace_all({path: kept, _sum_of(path): hashlib.sha256(kept).hexdigest().encode()})
    return StaticLibrary(source, key, kept)


def damaged(folder: Path) -> tuple[int, list[Path]]:
    """How many libraries a cache keeps, and those that are not what was kept. Raises StorageError."""
    kept = sorted(folder.glob("*.tar"))
    with reading(folder):
        return len(kept), [path for path in kept if _kept(path) is None]


def _compile(
    tree: SourceTree, command: list[str], toolchain: Toolchain, engine: Engine, identity: Identity, log: BuildLog
) -> bytes:
    variables = {"LC_ALL": "C", "TZ": "UTC", "SOURCE_DATE_EPOCH": str(tree.origin.epoch)}
    with engine.workspace(identity, keep=False) as workspace:
        workspace.put(tree.tar("library", OWNER))
        log.run(workspace, command, cwd="library", env={**variables, **toolchain.target.environment})
        return workspace.get(DEPENDENCIES)


def _contents(source: LibrarySource) -> str:
    """A name for every byte of a source, whoever vouches for it, and for the date that it says it was built on."""
    origin = source.origin
    if origin.tree is not None:
        return f"{origin.tree} {origin.epoch}"  # several commits can have one tree
    return origin.sha256 or hashlib.sha256(source.tree.tar("x")).hexdigest()


def _sum_of(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _kept(path: Path) -> bytes | None:
    """What an earlier run left, if it is whole."""
    if not path.is_file() or not _sum_of(path).is_file():
        return None
    data = path.read_bytes()
    return data if hashlib.sha256(data).hexdigest() == _sum_of(path).read_text().strip() else None

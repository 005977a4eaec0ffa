"""A static OpenSSL from source, compiled on the engine that will use it and kept by its content.

Compilers find it through CPATH and LIBRARY_PATH: a path on configure's command line would end up in what old
releases print about themselves, and two builds in two folders would not be the same to the byte.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from patchkit import resources
from patchkit.building.engine import OWNER, Engine, Identity
from patchkit.building.log import BuildLog, build_log
from patchkit.building.toolchain import Toolchain
from patchkit.errors import CompileError
from patchkit.source.cache import Cache
from patchkit.source.library import LibrarySource
from patchkit.source.tree import SourceTree
from patchkit.storage import replace_all
from patchkit.ui import Ui

DEPENDENCIES = "deps"
_TREE = "openssl"
# Where a compiled-in OpenSSL looks for its configuration: upstream's own default, on purpose not the system's
# folder, whose files are written for the system's OpenSSL.
_OPENSSLDIR = "/usr/local/ssl"


@dataclass(frozen=True)
class StaticLibrary:
    """Headers and archives, as a tar of ``deps/include`` and ``deps/lib``."""

    source: LibrarySource
    key: str
    """A hash of all that decided what it became."""
    archive: bytes

    def environment(self, top: str) -> dict[str, str]:
        """What makes compilers find it in a workspace at ``top``."""
        return {"CPATH": f"{top}/{DEPENDENCIES}/include", "LIBRARY_PATH": f"{top}/{DEPENDENCIES}/lib"}


# Every series asks with other names, and pkg-config where these are empty; what it does not know it ignores. -ldl and
# -pthread: to glibc 2.33 these were libraries of their own.
_CRYPTO, _BOTH = "-lcrypto -ldl -pthread", "-lssl -lcrypto -ldl -pthread"
_CONFIGURE: Mapping[str, str] = {
    "OPENSSL_CRYPTO_CFLAGS": "-pthread",  # to 2.4
    "OPENSSL_CRYPTO_LIBS": _CRYPTO,
    "OPENSSL_SSL_CFLAGS": "-pthread",
    "OPENSSL_SSL_LIBS": _BOTH,
    "OPENSSL_CFLAGS": "-pthread",  # from 2.4 on
    "OPENSSL_LIBS": _BOTH,
}


def configure_words(library: StaticLibrary | None) -> list[str]:
    """What makes OpenVPN's configure take the compiled library; nothing for the system's."""
    return [f"{name}={words}" for name, words in _CONFIGURE.items()] if library else []


def static_openssl(
    source: LibrarySource, toolchain: Toolchain, engine: Engine, identity: Identity, cache: Cache, ui: Ui, *, jobs: int
) -> StaticLibrary:
    """Compile a library, or take it from the cache. Raises CompileError and the engine's errors."""
    if toolchain.openssl is None:
        raise ValueError("this toolchain has the system's library")
    arguments = [*toolchain.openssl.configure]
    flags = shlex.join([*toolchain.base_target.cflags, *toolchain.base_target.cppflags])
    platform = toolchain.base_target.openssl
    command = [platform, flags, str(jobs if toolchain.openssl.parallel else 1), _OPENSSLDIR, *arguments]
    script = (resources.folder("docker") / "openssl.sh").read_text("utf-8")
    parts = [script, platform, flags, _OPENSSLDIR, *arguments, _contents(source), identity.digest]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    path = cache.folder("libraries") / f"{source.library.name}-{key[:32]}.tar"
    with cache.lock(path.name):
        kept = _kept(path)
        if kept is None:
            title = f"{source.library.title} {source.version}"
            ui.step(f"Compile {title}, static, for {toolchain.target.name}; it is kept")
            name = f"{source.library.name}-{toolchain.target.name}-{os.getpid()}.log"
            with build_log(cache.folder("logs") / name, ui) as log:
                try:
                    kept = _compile(source.tree, ["sh", "-c", script, "sh", *command], engine, identity, log)
                except CompileError as error:
                    raise CompileError(f"{title} does not compile", why=error.why, advice=error.advice) from error
            replace_all({path: kept, _sum_of(path): hashlib.sha256(kept).hexdigest().encode()})
    return StaticLibrary(source, key, kept)


def _compile(tree: SourceTree, command: list[str], engine: Engine, identity: Identity, log: BuildLog) -> bytes:
    environment = {"LC_ALL": "C", "TZ": "UTC", "SOURCE_DATE_EPOCH": str(tree.origin.epoch)}
    with engine.workspace(identity, keep=False) as workspace:
        workspace.put(tree.tar(_TREE, OWNER))
        log.run(workspace, command, cwd=_TREE, env=environment)
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

"""Libraries that are linked statically: what a compiled one is, and how the cache keeps it.

Compilers find the headers and archives through CPATH and LIBRARY_PATH: a path on configure's command line would end up
in what old releases print about themselves, and two builds in two folders would not be the same to the byte.
"""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

from patchkit.building.toolchain import Toolchain
from patchkit.source.library import LibrarySource

DEPENDENCIES = "deps"
LICENCES = "licences"
"""Where an archive keeps the licences of what it holds, below DEPENDENCIES."""


@dataclass(frozen=True)
class CompiledLibrary:
    """Headers, archives and licences, as a tar of ``deps/include``, ``deps/lib`` and ``deps/licences``."""

    source: LibrarySource
    key: str
    """A hash of everything that decides what is in the archive."""
    archive: bytes


def licences(libraries: Sequence[CompiledLibrary]) -> dict[str, bytes]:
    """Return the licence texts of ``libraries`` by path: ``openssl/LICENSE.txt``."""
    texts: dict[str, bytes] = {}
    for library in libraries:
        with tarfile.open(fileobj=io.BytesIO(library.archive)) as members:
            for member in members:
                inside = member.name.removeprefix(f"{DEPENDENCIES}/{LICENCES}/")
                content = members.extractfile(member) if member.isreg() and inside != member.name else None
                if content is not None:
                    texts[inside] = content.read()
    return texts


def environment(top: str) -> dict[str, str]:
    """Return the variables with which compilers find the libraries of a workspace at ``top``.

    A cross compiler finds only the headers that way.
    """
    return {"CPATH": f"{top}/{DEPENDENCIES}/include", "LIBRARY_PATH": f"{top}/{DEPENDENCIES}/lib"}


def flags(toolchain: Toolchain) -> str:
    """Return the compiler flags of libraries, for a shell: the same for all series, which therefore share libraries."""
    return shlex.join([*toolchain.base_target.cflags, *toolchain.base_target.cppflags])

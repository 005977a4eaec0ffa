"""Libraries that are linked statically: what a compiled one is, and how the cache keeps it.

Compilers find the headers and archives through CPATH and LIBRARY_PATH: a path on configure's command line would end up
in what old releases print about themselves, and two builds in two folders would not be the same to the byte.
"""

from __future__ import annotations

import hashlib
import io
import shlex
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from patchkit.building.toolchain import Toolchain
from patchkit.source.library import LibrarySource
from patchkit.storage import reading, replace_all

DEPENDENCIES = "deps"
LICENCES = "licences"
"""Where an archive keeps the licences of what it holds, below DEPENDENCIES."""


@dataclass(frozen=True)
class StaticLibrary:
    """Headers, archives and licences, as a tar of ``deps/include``, ``deps/lib`` and ``deps/licences``."""

    source: LibrarySource
    key: str
    """A hash of everything that decides what is in the archive."""
    archive: bytes


def licences(libraries: Sequence[StaticLibrary]) -> dict[str, bytes]:
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


def keep(path: Path, archive: bytes) -> None:
    """Write ``archive`` to ``path``, with its hash beside it. Raises DiskFullError or StorageError."""
    replace_all({path: archive, _sum_of(path): hashlib.sha256(archive).hexdigest().encode()})


def kept(path: Path) -> bytes | None:
    """Return the archive that :func:`keep` wrote to ``path``; None where there is none, or it is damaged."""
    if not path.is_file() or not _sum_of(path).is_file():
        return None
    archive = path.read_bytes()
    return archive if hashlib.sha256(archive).hexdigest() == _sum_of(path).read_text().strip() else None


def damaged(folder: Path) -> tuple[int, list[Path]]:
    """Count the libraries in ``folder`` of a cache, and list the damaged ones. Raises StorageError."""
    archives = sorted(folder.glob("*.tar"))
    with reading(folder):
        return len(archives), [path for path in archives if kept(path) is None]


def _sum_of(path: Path) -> Path:
    return path.with_suffix(".sha256")

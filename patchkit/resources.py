"""Find ``patches/`` and ``docker/``: inside of an installed wheel, or beside the package in a checkout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSIDE = "_resources"
_BUILDS_NOTHING = (_INSIDE, "cluster", "lab")  # the lab takes what was built
_KNOWN_BY = {"docker": "toolchains.toml", "patches": "stock/patch.toml"}


def folder(name: str) -> Path:
    """Find the folder ``name``, ``patches`` or ``docker``. Raises FileNotFoundError when the installation is broken."""
    for place in (_PACKAGE / _INSIDE / name, _PACKAGE.parent / name):
        if (place / _KNOWN_BY[name]).is_file():
            return place
    raise FileNotFoundError(f"patchkit's own folder {name}/ is missing: the installation is broken")


@cache
def fingerprint() -> str:
    """Hash all that decides what a build becomes: this package except for the lab, ``patches/`` and ``docker/``."""
    digest = hashlib.sha256()
    for _, inside, data in _deciding_files():
        name = inside.encode()
        digest.update(b"%d %b %d %b" % (len(name), name, len(data), data))
    return digest.hexdigest()


def deciding_files() -> dict[str, bytes]:
    """Read all files that :func:`fingerprint` hashes, by their path in a checkout."""
    return {f"{top}/{inside}": data for top, inside, data in _deciding_files()}


def all_files() -> Iterator[tuple[str, bytes]]:
    """Read every file of this package, ``patches/`` and ``docker/``, by its path in a checkout."""
    for top, inside, data in _files(leaving_out=(_INSIDE,)):
        yield f"{top}/{inside}", data


def _deciding_files() -> Iterator[tuple[str, str, bytes]]:
    return _files(leaving_out=_BUILDS_NOTHING)


def _files(leaving_out: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    for name, top in (("patchkit", _PACKAGE), ("patches", folder("patches")), ("docker", folder("docker"))):
        for path in sorted(top.rglob("*")):
            inside = path.relative_to(top)
            if path.is_file() and path.suffix != ".pyc" and inside.parts[0] not in leaving_out:
                yield name, inside.as_posix(), path.read_bytes()

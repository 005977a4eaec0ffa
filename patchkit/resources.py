"""Find ``patches/`` and ``docker/``: inside of an installed wheel, or beside the package in a checkout."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSIDE = "_resources"
_BUILDS_NOTHING = (_INSIDE, "lab")  # the lab takes what was built
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
    for top in (_PACKAGE, folder("patches"), folder("docker")):
        for path in sorted(top.rglob("*")):
            inside = path.relative_to(top)
            if path.is_file() and path.suffix != ".pyc" and inside.parts[0] not in _BUILDS_NOTHING:
                name, data = inside.as_posix().encode(), path.read_bytes()
                digest.update(b"%d %b %d %b" % (len(name), name, len(data), data))
    return digest.hexdigest()

"""Where ``patches/`` and ``docker/`` are: inside an installed wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder ``patches`` or ``docker``. Raises FileNotFoundError where the installation is broken."""
    for place in (_PACKAGE / "_resources" / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"patchkit's own folder {name}/ is missing: the installation is broken")

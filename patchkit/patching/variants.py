"""The catalogue of variants: one folder each under ``patches/``, with a patch.toml and templates."""

from __future__ import annotations

import datetime
import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from patchkit import resources
from patchkit.errors import BadVariantError, UnknownVariantError
from patchkit.releases.version import shown

STOCK = "stock"
GUARD_MACRO = "RETRY"
"""The macro that the patch of 2013 used; no release has one of that name."""


class Variant(BaseModel):
    """One named change to the source, as its patch.toml describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    folder: Path
    title: str = Field(max_length=80)
    description: str
    author: str
    origin: str
    status: Literal["recommended", "faithful", "experimental", "known-bad"]
    last_update: datetime.date
    guard: bool
    """Whether the variant can be rendered between ``#ifdef RETRY`` and ``#endif``."""
    files: list[str]
    """Names of the touched files; each has a template NAME.diff.j2. The release says which folder they are in."""
    functions: list[str]
    """The functions whose code changes, and no other."""
    markers: list[str]
    """Texts that, inside one of the functions, mean that the source is patched already."""

    @property
    def is_stock(self) -> bool:
        return not self.files

    def template(self, file: str) -> str:
        """The template for one of the files."""
        return (self.folder / f"{file}.diff.j2").read_text("utf-8")


def names() -> list[str]:
    """All variants, stock first."""
    found = [toml.parent.name for toml in resources.folder("patches").glob("*/patch.toml")]
    return sorted(found, key=lambda name: (name != STOCK, name))


@cache
def variant(name: str) -> Variant:
    """The variant called ``name``. Raises UnknownVariantError, or BadVariantError for a bad patch.toml."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.4) or names()
        raise UnknownVariantError(
            f"there is no variant {shown(name)}",
            why=f"nearest: {', '.join(near)}",
            advice="patchkit variants",
        )
    folder = resources.folder("patches") / name
    path = folder / "patch.toml"
    try:
        found = Variant.model_validate({"name": name, "folder": folder, **tomllib.loads(path.read_text("utf-8"))})
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise BadVariantError(f"{path} is not a valid patch.toml", why=str(error)) from error
    missing = [file for file in found.files if not (folder / f"{file}.diff.j2").is_file()]
    if missing:
        raise BadVariantError(f"the variant {name} lacks templates", why=", ".join(missing))
    return found

"""The catalogue of variants: one folder each under ``patches/``, with a patch.toml and templates."""

from __future__ import annotations

import datetime
import difflib
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from patchkit import resources
from patchkit.errors import BadVariantError, UnknownVariantError
from patchkit.json_schema import Part
from patchkit.releases.ranges import Range, holds
from patchkit.releases.version import Version, shown

if TYPE_CHECKING:
    from patchkit.patching.unified import FileChange

STOCK = "stock"
UNDATED = datetime.date(1970, 1, 1)
"""The date of a user's own diff, which states none that can be trusted."""
DESCRIPTION = "patch.toml"
"""The file that describes a variant, in its folder."""
GUARD_MACRO = "RETRY"
"""The macro that the patch of 2013 used; no release has a macro of that name."""

_OF_A_PATCH = re.compile(r"-[0-9a-f]{8}$")  # how a user's own patch is called

Status = Literal["recommended", "faithful", "experimental", "known-bad"]
UpstreamStatus = Literal["needed", "superseded", "not-applicable"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Upstream(_Table):
    """Whether upstream's own code needs a variant, for a range of releases."""

    releases: Range
    status: UpstreamStatus
    """needed: upstream still has the fault. superseded: upstream cured it in another way; the variant can be
    rendered all the same. not-applicable: the variant has nothing to change there and is not rendered."""
    commits: list[Annotated[str, Field(pattern="^[0-9a-f]{40}$")]] = []
    """The upstream commits that made it so."""
    note: str
    """One or two sentences."""

    def holds(self, version: Version) -> bool:
        """Return whether ``version`` is in the range."""
        return holds(self.releases, version)


class Bound(Part):
    """The limit on what one end sends: of n different control packets, copies * n + per_second * t within t seconds.

    The limit holds for a whole handshake and for any second of it; n counts the different packets among those that were
    sent. docs/variants.md derives the limit from the code; the lab checks every trial against it.
    """

    copies: int = Field(ge=1, description="control packets for each different one")
    per_second: int = Field(ge=1, description="control packets a second besides")


class Variant(_Table):
    """One named change to the source, as its patch.toml describes it."""

    name: str = Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")
    """The folder's name, which becomes part of file names and of versions."""
    folder: Path
    title: str = Field(max_length=80)
    description: str
    author: str
    origin: str
    status: Status
    last_update: datetime.date
    guard: bool
    """Whether the variant can be rendered between ``#ifdef RETRY`` and ``#endif``."""
    files: list[str]
    """Names of the touched files; each has a template NAME.diff.j2. The folder depends on the release."""
    functions: list[str]
    """The functions whose code or declaration changes, and no other; a release need not have all of them."""
    structs: list[str] = []
    """The structs that get new members."""
    added: list[str] = []
    """The functions that are new; each stands right behind one that was there before."""
    markers: list[str]
    """Texts that, inside one of the functions, show that the source is patched already."""
    traces: dict[str, list[str]] = {}
    """What shows, anywhere in a file, that the variant or a part of it is there, by the file's name: ``name``,
    ``name()`` for a call, ``struct.member``, or a text with blanks. The functions in ``added`` are traces too."""
    order: int
    """Where several variants are combined, lower ones come first in a series of patches."""
    conflicts: list[str]
    """Variants that this one can't be combined with."""
    bound: Bound | None = None
    """The limit that the variant promises; None when it promises nothing, or leaves sending to upstream's code."""
    upstream: list[Upstream]
    """Ranges that hold every release once. A range that holds 2.8 goes for branches of that series too."""

    @field_validator("name")
    @classmethod
    def _is_no_guarded_form(cls, name: str) -> str:
        if name.endswith("-guard"):
            raise ValueError("-guard at the end of a name means the guarded form of a variant")
        return name

    @property
    def is_stock(self) -> bool:
        """Whether nothing is changed."""
        return not self.files

    @property
    def is_own(self) -> bool:
        """Whether it is a user's own, and not of the catalogue."""
        return False

    @property
    def diffs(self) -> tuple[tuple[str, tuple[FileChange, ...]], ...] | None:
        """The diffs that it is made of, by name; None where it is made of templates."""
        return None

    @property
    def templates(self) -> Mapping[str, str] | None:
        """The templates that were read at once, by file name; None for the catalogue's, which are files."""
        return None

    @property
    def credited(self) -> tuple[str, ...]:
        """The authors, each by itself."""
        return (self.author,)

    @property
    def alone(self) -> tuple[Variant, ...]:
        """What goes into a series one by one: a user's diffs each, otherwise the variant itself."""
        return (self,)

    @property
    def brought(self) -> frozenset[str]:
        """The paths of the files that are new: no release may have them."""
        return frozenset()

    @property
    def touched(self) -> list[str]:
        """The functions that change, and the new ones."""
        return [*self.functions, *self.added]

    def template(self, file: str) -> str:
        """Read the template for ``file``."""
        return (self.folder / f"{file}.diff.j2").read_text("utf-8")

    def upstream_of(self, version: Version) -> Upstream | None:
        """Find the range that holds ``version``; None when the version is older than all ranges."""
        return next((upstream for upstream in self.upstream if upstream.holds(version)), None)


def names() -> list[str]:
    """List the names of all variants, stock first."""
    folders = [toml.parent.name for toml in resources.folder("patches").glob(f"*/{DESCRIPTION}")]
    return sorted(folders, key=lambda name: (name != STOCK, name))


_own: dict[str, Variant] = {}


def register(own: Variant) -> Variant:
    """Make a user's ``own`` variant known by its name in this process, and return it.

    Every command resolves names here, so that what a user brings goes wherever a variant of the catalogue goes.
    """
    _own[own.name] = own
    variant.cache_clear()
    return own


def registered(name: str) -> Variant | None:
    """Return the user's own variant ``name``; None where :func:`register` has made none known."""
    return _own.get(name)


def default_variant() -> str:
    """Choose the variant that is used when none is named: the first with the status recommended, else retransmit."""
    return next((name for name in names() if variant(name).status == "recommended"), "retransmit")


@cache
def variant(name: str) -> Variant:
    """Return the variant ``name``: of the catalogue, or one that :func:`register` has made known.

    Raises UnknownVariantError when there is none, and BadVariantError when its patch.toml is not valid or a template is
    missing.
    """
    if name in _own:
        return _own[name]
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.4) or names()
        raise UnknownVariantError(
            f"there is no variant {shown(name)}",
            why=f"nearest: {', '.join(near)}",
            advice="give the --patch that it is called after again"
            if _OF_A_PATCH.search(name)
            else "patchkit variants",
        )
    folder = resources.folder("patches") / name
    path = folder / DESCRIPTION
    try:
        described = Variant.model_validate({"name": name, "folder": folder, **tomllib.loads(path.read_text("utf-8"))})
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise BadVariantError(f"{path} is not a valid patch.toml", why=str(error)) from error
    missing = [file for file in described.files if not (folder / f"{file}.diff.j2").is_file()]
    if missing:
        raise BadVariantError(f"the variant {name} lacks templates", why=", ".join(missing))
    return described

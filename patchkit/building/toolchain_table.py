"""Read ``docker/toolchains.toml``: targets, series, features, bases and the compiler in a wheel."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from patchkit import resources
from patchkit.errors import BadUsageError, ToolchainError, UnknownTargetError
from patchkit.releases.libraries import Library, crypto_libraries, libraries
from patchkit.releases.ranges import Range
from patchkit.releases.version import shown

SYSTEM = "system"
"""The crypto library of the base image, or of the host."""
PINNED = "pinned"
"""A crypto library that is compiled from its pinned source."""


class TableModel(BaseModel):
    """What the models of the file have in common: no other field, no other type, no change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Base(TableModel):
    """A Debian base image."""

    image: str
    suite: str


System = Literal["linux", "windows"]
Kind = Literal["linux", "windows", "static"]
"""Which table of a series counts: its own, or the one in it for Windows or for static programs."""


class Component(TableModel):
    """A part of the compiler that every program of a target holds."""

    name: str
    version: str
    licence: str
    """An SPDX expression."""
    cpe: str = ""
    """NVD's vendor and product."""
    url: str
    """Where its source is."""


class Zig(TableModel):
    """A compiler for many processors in one Python wheel, which is pinned."""

    version: str
    name: str
    """The wheel's file name."""
    sha256: str
    size: int
    """In bytes."""
    runtime: list[Component]
    """What it links into each program."""


class Target(TableModel):
    """A kind of machine that the binaries run on."""

    name: str
    system: System
    triplet: str
    debian_arch: str
    """Debian's name of the architecture that compiles."""
    cross: bool = False
    """Whether the names of the tools begin with the triplet."""
    foreign: str | None = None
    """A second Debian architecture, of which some of the packages are."""
    zig: str = ""
    """zig's name of the target, where zig compiles for it: the programs are static."""
    left_out: list[str] = []
    """What programs of this target lack, with the reason."""
    runs_with: list[str] = []
    """The command that runs a program of this target on the machine that compiles, such as wine."""
    environment: dict[str, str] = {}
    """Variables for every command of a build."""
    openssl: str
    """OpenSSL's name of the target, for its Configure."""
    packages: list[str]
    cppflags: list[str]
    cflags: list[str]
    ldflags: list[str]

    @property
    def kind(self) -> Kind:
        """Which table of a series counts."""
        return "static" if self.zig else self.system

    @property
    def architecture(self) -> str:
        """Debian's name of the processor that the programs are for."""
        return self.foreign or (self.name.rpartition("-")[2] if self.zig else self.debian_arch)

    def tool(self, name: str) -> str:
        """Return the command of the compiler's tool ``name``: ``gcc``, ``strip``, …."""
        return f"{self.triplet}-{name}" if self.cross else {"gcc": "cc"}.get(name, name)


class OpensslRecipe(TableModel):
    """The options that compile an OpenSSL of one branch."""

    configure: list[str]
    elf: list[str] = []
    """Further options where the target has ELF files."""
    parallel: bool = True
    """Whether its makefiles work with more than one job at a time."""


class CryptoChoice(TableModel):
    """A crypto library with which some releases of a series can be built."""

    library: str
    """``system``, or the name of a pinned library."""
    releases: Range = ""
    links: bool = True
    """False where only single files compile with the library: enough for a proof, not for a program."""
    configure: list[str] = []

    @property
    def pinned(self) -> Library | None:
        """The pinned library; None for the system's own."""
        return None if self.library == SYSTEM else libraries()[self.library]

    def answers_to(self, choice: str | None) -> bool:
        """Return whether the library is what ``choice``, the value of ``--crypto``, names; None names any."""
        return choice in (None, self.library) or (choice == PINNED and self.library != SYSTEM)


class FeatureOptions(TableModel):
    """The arguments of configure for a feature in some series."""

    series: list[str]
    on: list[str] | None = None
    off: list[str] = []


class Feature(TableModel):
    """A part of OpenVPN that is built only on request."""

    name: str
    title: str
    packages: list[str] = []
    crypto: str | None = None
    """The only crypto library with which the feature can be combined; None where any can."""
    systems: list[System] = ["linux"]
    """The kinds of target that have the feature."""
    options: list[FeatureOptions]

    def words(self, series: str) -> FeatureOptions:
        """Return the arguments of configure in ``series``; none where the table has no entry."""
        return next((entry for entry in self.options if series in entry.series), FeatureOptions(series=[series]))


class Portability(TableModel):
    """What today's compilers need to compile a source: flags, never a change of its text."""

    releases: Range = ""
    systems: list[System] = ["linux", "windows"]
    """The kinds of target for which the flags are needed."""
    cppflags: list[str] = []
    cflags: list[str] = []
    why: str


class Series(TableModel):
    """The settings of one series on one kind of target."""

    name: str
    base: str
    recipe: Literal["autotools", "cmake"] = "autotools"
    """The build system of upstream's own builds for the target."""
    libraries: list[str] = []
    """Pinned libraries that are linked statically, besides the crypto library."""
    configure: list[str]
    portability: list[Portability] = []
    """Flags for make alone: with some of them, configure's probes fail."""
    crypto: list[CryptoChoice]
    """The libraries with which its releases can be built, the default first."""
    peer_options: list[str]
    """Options that both peers of a handshake on this toolchain need."""
    modern_peer: list[str]
    """Options that a peer of 2.6 or 2.7 needs, point to point, to talk to any release of this series."""
    old_peer: list[str]
    """Options that the release of this series needs for that."""
    genkey: list[str]
    test_crypto: list[str]


ELSEWHERE = "patchkit export writes the diffs for a build of your own"
"""What to advise where patchkit has no way to build."""


@cache
def tables() -> dict[str, Any]:
    """Return the file's tables, as TOML has them."""
    return tomllib.loads((resources.folder("docker") / "toolchains.toml").read_text("utf-8"))


def targets() -> list[str]:
    """Return the names of all targets."""
    return list(tables()["target"])


def known_target(name: str) -> Target:
    """Return the target ``name``. Raises UnknownTargetError."""
    entries = tables()["target"]
    if name not in entries:
        raise UnknownTargetError(
            f"unknown target: {shown(name)}", why=f"known are: {', '.join(targets())}", advice=ELSEWHERE
        )
    return Target.model_validate({"name": name, **entries[name]})


def zig() -> Zig:
    """Return the pinned wheel of zig."""
    return Zig.model_validate(tables()["zig"])


def bases() -> list[Base]:
    """Return all base images."""
    return [Base.model_validate(base) for base in tables()["base"].values()]


def all_series(kind: Kind = "linux") -> list[Series]:
    """Return the series that are built for targets of ``kind``, oldest first."""
    names = [name for name, entry in tables()["series"].items() if kind == "linux" or kind in entry]
    return [series_named(name, kind) for name in sorted(names, key=order_of)]


def features() -> list[Feature]:
    """Return all features, in the table's order."""
    return [Feature.model_validate({"name": name, **entry}) for name, entry in tables()["feature"].items()]


def newest() -> str:
    """Return the newest series that has a toolchain of its own."""
    return max(map(str, tables()["series"]), key=order_of)


def order_of(series: str) -> tuple[int, ...]:
    """Return what series are sorted by: their numbers."""
    return tuple(map(int, series.split(".")))


_IN_WORDS: dict[Kind, tuple[str, str]] = {
    "windows": ("for Windows", "docs/windows.md"),
    "static": ("as a static program", "docs/static.md"),
}


@cache
def series_named(name: str, kind: Kind) -> Series:
    """Return a series' settings. Raises ToolchainError where it is not built for a kind of target."""
    entry = dict(tables()["series"][name])
    dialect = tables()["dialect"].get(entry.pop("dialect", ""), {})
    of_kind = {other: entry.pop(other, None) for other in _IN_WORDS}
    if kind != "linux":
        own, (words, page) = of_kind[kind], _IN_WORDS[kind]
        if own is None:
            raise ToolchainError(
                f"series {name} is not built {words}",
                why=f"there are toolchains for {', '.join(series.name for series in all_series(kind))}; "
                f"{page} says why not for the others",
                advice=ELSEWHERE,
            )
        entry |= own
    return Series.model_validate({"name": name, **dialect, **entry})


def check_crypto(name: str) -> None:
    """Raise BadUsageError where ``name`` is neither a kind of crypto library nor a pinned one, whatever the release."""
    known = [SYSTEM, PINNED, *crypto_libraries()]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
        raise BadUsageError(
            f"unknown crypto library: {shown(name)}",
            why=f"known are: {', '.join(known)}",
            advice=f"perhaps you meant --crypto {near[0]}" if near else ELSEWHERE,
        )


def known_feature(name: str) -> Feature:
    """Return the feature ``name``. Raises BadUsageError where there is none."""
    known = {feature.name: feature for feature in features()}
    if name not in known:
        raise BadUsageError(
            f"unknown feature: {shown(name)}",
            why=f"known are: {', '.join(f'{feature.name} ({feature.title})' for feature in known.values())}",
        )
    return known[name]

"""Look up the base, packages, crypto library and flags that compile a release: ``docker/toolchains.toml``."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from patchkit import resources
from patchkit.errors import BadUsageError, ToolchainError, UnknownTargetError
from patchkit.releases.libraries import Library, crypto_libraries, libraries
from patchkit.releases.ranges import Range, holds
from patchkit.releases.version import Version, shown

SYSTEM = "system"
"""The crypto library of the base image, or of the host."""
PINNED = "pinned"
"""A crypto library that is compiled from its pinned source."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Base(_Table):
    """A Debian base image."""

    image: str
    suite: str


System = Literal["linux", "windows"]
Kind = Literal["linux", "windows", "static"]
"""Which table of a series counts: its own, or the one in it for Windows or for static programs."""


class Component(_Table):
    """A part of the compiler that every program of a target holds."""

    name: str
    version: str
    licence: str
    """An SPDX expression."""
    cpe: str = ""
    """NVD's vendor and product."""
    url: str
    """Where its source is."""


class Zig(_Table):
    """A compiler for many processors in one Python wheel, which is pinned."""

    version: str
    name: str
    """The wheel's file name."""
    sha256: str
    size: int
    """In bytes."""
    runtime: list[Component]
    """What it links into each program."""


class Target(_Table):
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


class OpensslRecipe(_Table):
    """The options that compile an OpenSSL of one branch."""

    configure: list[str]
    elf: list[str] = []
    """Further options where the target has ELF files."""
    parallel: bool = True
    """Whether its makefiles work with more than one job at a time."""


class CryptoChoice(_Table):
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


class FeatureOptions(_Table):
    """The arguments of configure for a feature in some series."""

    series: list[str]
    on: list[str] | None = None
    off: list[str] = []


class Feature(_Table):
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


class Portability(_Table):
    """What today's compilers need to compile a source: flags, never a change of its text."""

    releases: Range = ""
    systems: list[System] = ["linux", "windows"]
    """The kinds of target for which the flags are needed."""
    cppflags: list[str] = []
    cflags: list[str] = []
    why: str


class Series(_Table):
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


class Toolchain(_Table):
    """Everything that determines how one release is compiled for one target."""

    base: Base
    target: Target
    """The target, with the flags of this release."""
    base_target: Target
    """The target, with the flags of libraries: the same for all series, which therefore share libraries."""
    series: Series
    portability: list[str]
    """The reasons for the flags that today's compilers need for this release."""
    crypto: CryptoChoice
    openssl: OpensslRecipe | None
    """The options that compile the pinned library; None with the system's own."""
    features: list[str]
    """The names of the requested features."""
    configure: list[str]
    """All arguments of configure that do not follow from the target."""
    packages: list[str]
    """Debian packages of the toolchain, sorted."""
    zig: Zig | None = None
    """The compiler's wheel; None where Debian's packages have the compiler."""


_ELSEWHERE = "patchkit export writes the diffs for a build of your own"


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads((resources.folder("docker") / "toolchains.toml").read_text("utf-8"))


def targets() -> list[str]:
    """Return the names of all targets."""
    return list(_tables()["target"])


def known_target(name: str) -> Target:
    """Return the target ``name``. Raises UnknownTargetError."""
    entries = _tables()["target"]
    if name not in entries:
        raise UnknownTargetError(
            f"there is no target {shown(name)}", why=f"there are: {', '.join(targets())}", advice=_ELSEWHERE
        )
    return Target.model_validate({"name": name, **entries[name]})


def zig() -> Zig:
    """Return the pinned wheel of zig."""
    return Zig.model_validate(_tables()["zig"])


def bases() -> list[Base]:
    """Return all base images."""
    return [Base.model_validate(base) for base in _tables()["base"].values()]


def all_series(kind: Kind = "linux") -> list[Series]:
    """Return the series that are built for targets of ``kind``, oldest first."""
    names = [name for name, entry in _tables()["series"].items() if kind == "linux" or kind in entry]
    return [_series(name, kind) for name in sorted(names, key=_order)]


def features() -> list[Feature]:
    """Return all features, in the table's order."""
    return [Feature.model_validate({"name": name, **entry}) for name, entry in _tables()["feature"].items()]


def newest() -> str:
    """Return the newest series that has a toolchain of its own."""
    return max(map(str, _tables()["series"]), key=_order)


def _order(series: str) -> tuple[int, ...]:
    return tuple(map(int, series.split(".")))


_IN_WORDS: dict[Kind, tuple[str, str]] = {
    "windows": ("for Windows", "docs/windows.md"),
    "static": ("as a static program", "docs/static.md"),
}


@cache
def _series(name: str, kind: Kind) -> Series:
    """Return a series' settings. Raises ToolchainError where it is not built for a kind of target."""
    entry = dict(_tables()["series"][name])
    dialect = _tables()["dialect"].get(entry.pop("dialect", ""), {})
    of_kind = {other: entry.pop(other, None) for other in _IN_WORDS}
    if kind != "linux":
        own, (words, page) = of_kind[kind], _IN_WORDS[kind]
        if own is None:
            raise ToolchainError(
                f"series {name} is not built {words}",
                why=f"there are toolchains for {', '.join(series.name for series in all_series(kind))}; "
                f"{page} says why not for the others",
                advice=_ELSEWHERE,
            )
        entry |= own
    return Series.model_validate({"name": name, **dialect, **entry})


def toolchain(
    version: Version,
    target: str,
    *,
    crypto: str | None = None,
    features: Sequence[str] = (),
    cflags: Sequence[str] = (),
    linking: bool = True,
) -> Toolchain:
    """Return the toolchain of ``version`` for ``target``; a series newer than the table's gets the newest series' one.

    ``crypto`` is ``system``, ``pinned``, the name of a pinned library, or None for the table's default; ``features``
    are names of features; ``cflags`` go behind the target's own. Without ``linking``, a toolchain that compiles single
    files suffices, and the system's library is the default, since a proof needs no other.

    Raises UnknownTargetError, BadUsageError for an unknown feature or library, or ToolchainError for a series, feature
    or library with which the release can't be built.
    """
    tables = _tables()
    of_target = known_target(target)
    # A branch or a future release: upstream rarely changes its toolchain, and a failure would be clear.
    name = newest() if _order(version.series) > _order(newest()) else version.series
    if name not in tables["series"]:
        raise ToolchainError(
            f"there is no toolchain for series {name}",
            why=f"there are toolchains for {', '.join(sorted(tables['series'], key=_order))}",
            advice=f"{_ELSEWHERE}, from 2.1 on",
        )
    series = _series(name, of_target.kind)
    library = _crypto(series, version, crypto, linking=linking)
    requested = [feature_of(feature) for feature in dict.fromkeys(features)]
    pinned = library.pinned
    ported = [
        entry for entry in series.portability if of_target.system in entry.systems and holds(entry.releases, version)
    ]
    all_flags = {
        "cppflags": [*of_target.cppflags, *(flag for entry in ported for flag in entry.cppflags)],
        "cflags": [*of_target.cflags, *(flag for entry in ported for flag in entry.cflags), *cflags],
    }
    return Toolchain(
        base=Base.model_validate(tables["base"][series.base]),
        target=of_target.model_copy(update=all_flags),
        base_target=of_target,
        series=series,
        crypto=library,
        portability=[entry.why for entry in ported],
        openssl=OpensslRecipe.model_validate(tables["openssl"][pinned.branch]) if pinned else None,
        features=[feature.name for feature in requested],
        configure=[*series.configure, *library.configure, *_feature_words(series, of_target, library, requested)],
        packages=sorted({*of_target.packages, *(package for feature in requested for package in feature.packages)}),
        zig=zig() if of_target.zig else None,
    )


def check_crypto(name: str) -> None:
    """Raise BadUsageError where ``name`` is neither a kind of crypto library nor a pinned one, whatever the release."""
    known = [SYSTEM, PINNED, *crypto_libraries()]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
        raise BadUsageError(
            f"there is no crypto library {shown(name)}",
            why=f"there are: {', '.join(known)}",
            advice=f"perhaps you meant --crypto {near[0]}" if near else _ELSEWHERE,
        )


def _crypto(series: Series, version: Version, choice: str | None, *, linking: bool) -> CryptoChoice:
    if choice is not None:
        check_crypto(choice)
    fitting = [
        library for library in series.crypto if holds(library.releases, version) and (library.links or not linking)
    ]
    if not linking and choice is None:
        fitting.sort(key=lambda library: library.library != SYSTEM)
    for library in fitting:
        if library.answers_to(choice):
            return library
    raise ToolchainError(
        f"{version} can't be built with --crypto {choice}",
        why=f"it can be built with {', '.join(library.library for library in fitting)}",
        advice=f"--crypto {fitting[0].library}, or leave the choice to patchkit; or {_ELSEWHERE}",
    )


def feature_of(name: str) -> Feature:
    """Return the feature ``name``. Raises BadUsageError where there is none."""
    known = {feature.name: feature for feature in features()}
    if name not in known:
        raise BadUsageError(
            f"there is no feature {shown(name)}",
            why=f"there are: {', '.join(f'{feature.name} ({feature.title})' for feature in known.values())}",
        )
    return known[name]


def _feature_words(series: Series, target: Target, library: CryptoChoice, requested: Sequence[Feature]) -> list[str]:
    """Return the arguments of configure for requested features, and against all others, which it would probe for."""
    for feature in requested:
        _refuse_impossible(feature, series, target, library)
    names = {feature.name for feature in requested}
    words: list[str] = []
    for feature in features():
        if target.system in feature.systems:
            options = feature.words(series.name)
            words += options.on or [] if feature.name in names else options.off
    return words


def _refuse_impossible(feature: Feature, series: Series, target: Target, library: CryptoChoice) -> None:
    """Raise ToolchainError where ``feature`` can't be built for this target, in this series or with this library."""
    if target.system not in feature.systems:
        raise ToolchainError(
            f"{target.name} is not built with {feature.name}",
            why=f"{feature.name} exists for {', '.join(feature.systems)} targets only",
            advice=f"drop --with {feature.name}",
        )
    if target.zig and feature.packages:
        raise ToolchainError(
            f"{target.name} is not built with {feature.name}",
            why=f"{', '.join(feature.packages)} is loaded, and a static program loads nothing",
            advice=f"drop --with {feature.name}",
        )
    if feature.words(series.name).on is None:
        there = [name for options in feature.options if options.on for name in options.series]
        raise ToolchainError(
            f"series {series.name} is not built with {feature.name}",
            why=f"{feature.name} exists for {', '.join(there)}",
            advice=f"drop --with {feature.name}",
        )
    if feature.crypto not in (None, library.library):
        raise ToolchainError(
            f"{feature.name} can't be built in with {library.library}",
            why=f"it can be with --crypto {feature.crypto}, whose libraries share one OpenSSL",
            advice=f"--crypto {feature.crypto}, where the release allows it",
        )

"""Which base, packages, crypto library and flags compile a release for a target: ``docker/toolchains.toml``."""

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
"""One that is compiled from its pinned source."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Base(_Table):
    """A Debian base image."""

    image: str
    suite: str


System = Literal["linux", "windows"]


class Target(_Table):
    """What the binaries run on."""

    name: str
    system: System
    triplet: str
    debian_arch: str
    """Of the machine that compiles."""
    cross: bool = False
    """Whether the tools bear the triplet in their names."""
    foreign: str | None = None
    """A second architecture of Debian's that some of the packages are of."""
    runs_with: list[str] = []
    """What runs a program of this target on the machine that compiles: wine, say."""
    environment: dict[str, str] = {}
    """For every command of a build."""
    openssl: str
    """What OpenSSL's Configure calls it."""
    packages: list[str]
    cppflags: list[str]
    cflags: list[str]
    ldflags: list[str]

    def tool(self, name: str) -> str:
        """What a tool of the compiler's family is called: ``gcc``, ``strip``, …."""
        return f"{self.triplet}-{name}" if self.cross else {"gcc": "cc"}.get(name, name)


class OpensslRecipe(_Table):
    """How an OpenSSL of one branch is compiled."""

    configure: list[str]
    elf: list[str] = []
    """What goes along where the target has ELF files."""
    parallel: bool = True
    """Whether its makefiles bear more than one job at a time."""


class Crypto(_Table):
    """A crypto library that some releases of a series can be built with."""

    library: str
    """``system``, or the name of a pinned library."""
    releases: Range = ""
    links: bool = True
    """False where only single files compile with it: enough for a proof, not for a program."""
    configure: list[str] = []

    @property
    def pinned(self) -> Library | None:
        """The pinned library; None for the system's own."""
        return None if self.library == SYSTEM else libraries()[self.library]

    def answers_to(self, choice: str | None) -> bool:
        """Whether it is what ``--crypto`` asked for: any, one of the two kinds, or this very one."""
        return choice in (None, self.library) or (choice == PINNED and self.library != SYSTEM)


class FeatureOptions(_Table):
    """configure's words for a feature in some series."""

    series: list[str]
    on: list[str] | None = None
    off: list[str] = []


class Feature(_Table):
    """Something that a build has only when asked for."""

    name: str
    title: str
    packages: list[str] = []
    crypto: str | None = None
    """The only crypto library that it can be combined with."""
    systems: list[System] = ["linux"]
    """The kinds of target that know it."""
    options: list[FeatureOptions]

    def words(self, series: str) -> FeatureOptions:
        """configure's words in one series."""
        return next((one for one in self.options if series in one.series), FeatureOptions(series=[series]))


class Portability(_Table):
    """What a source needs so that today's compilers take it: flags, never a change of its text."""

    releases: Range = ""
    systems: list[System] = ["linux", "windows"]
    """The kinds of target that need it."""
    cppflags: list[str] = []
    cflags: list[str] = []
    why: str


class Series(_Table):
    """What is particular to one series on one kind of target."""

    name: str
    base: str
    recipe: Literal["autotools", "cmake"] = "autotools"
    """What upstream's own builds for the target are made with."""
    libraries: list[str] = []
    """Pinned libraries that are linked statically, besides the crypto library."""
    configure: list[str]
    portability: list[Portability] = []
    """For make alone: configure's probes don't bear all of these flags."""
    crypto: list[Crypto]
    """What its releases can be built with, what is taken by itself first."""
    peer_options: list[str]
    """Options that both peers of a handshake on this toolchain need."""
    modern_peer: list[str]
    """Options that a peer of 2.6 or 2.7 needs, point to point, to talk to any release of this series."""
    old_peer: list[str]
    """Options that the release of this series needs for that."""
    genkey: list[str]
    test_crypto: list[str]


class Toolchain(_Table):
    """Everything that decides how one release is compiled for one target."""

    base: Base
    target: Target
    """With the flags of this very release."""
    base_target: Target
    """With the flags that libraries are compiled with: the same for all series, so that they can share them."""
    series: Series
    portability: list[str]
    """Why there are flags that today's compilers need for this release."""
    crypto: Crypto
    openssl: OpensslRecipe | None
    """How the pinned library is compiled; None with the system's own."""
    features: list[str]
    """What was asked for besides, by name."""
    configure: list[str]
    """All arguments for configure that do not follow from the target."""
    packages: list[str]
    """Debian packages of the toolchain, sorted."""


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads((resources.folder("docker") / "toolchains.toml").read_text("utf-8"))


def targets() -> list[str]:
    """The names of all targets."""
    return list(_tables()["target"])


def known_target(name: str) -> Target:
    """A target by name. Raises UnknownTargetError."""
    entries = _tables()["target"]
    if name not in entries:
        raise UnknownTargetError(f"there is no target {shown(name)}", why=f"there are: {', '.join(targets())}")
    return Target.model_validate({"name": name, **entries[name]})


def bases() -> list[Base]:
    """All base images."""
    return [Base.model_validate(base) for base in _tables()["base"].values()]


def all_series(system: System = "linux") -> list[Series]:
    """The series that the table knows for targets of a kind, oldest first."""
    names = [name for name, entry in _tables()["series"].items() if system == "linux" or system in entry]
    return [_series(name, system) for name in sorted(names, key=_order)]


def features() -> list[Feature]:
    """All features, in the table's order."""
    return [Feature.model_validate({"name": name, **entry}) for name, entry in _tables()["feature"].items()]


def newest() -> str:
    """The newest series that has a toolchain of its own."""
    return max(map(str, _tables()["series"]), key=_order)


def _order(series: str) -> tuple[int, ...]:
    return tuple(map(int, series.split(".")))


@cache
def _series(name: str, system: System) -> Series:
    """Raises ToolchainError where a series is not built for a kind of target."""
    entry = dict(_tables()["series"][name])
    dialect = _tables()["dialect"].get(entry.pop("dialect", ""), {})
    of_windows = entry.pop("windows", None)
    if system == "windows":
        if of_windows is None:
            raise ToolchainError(
                f"series {name} is not built for Windows",
                why=f"there are toolchains for {', '.join(one.name for one in all_series('windows'))}; "
                "docs/windows.md says why not for the others",
            )
        entry |= of_windows
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
    """The toolchain of a release; one of a series that is newer than all of the table gets the newest's.

    ``crypto`` is ``system``, ``pinned``, the name of a pinned library, or None for what the table has first;
    ``features`` are names of features; ``cflags`` go behind the target's own. Unless ``linking``, a toolchain that
    compiles single files will do, and the system's library is taken first, since a proof wants no other. Raises
    UnknownTargetError, BadUsageError for a feature or library that nobody knows, or ToolchainError for what the
    release can't be built with.
    """
    tables = _tables()
    of_target = known_target(target)
    # A branch or a release of tomorrow: upstream changes its toolchain seldom, and a failure would be clear.
    name = newest() if _order(version.series) > _order(newest()) else version.series
    if name not in tables["series"]:
        raise ToolchainError(
            f"there is no toolchain for series {name}",
            why=f"there are toolchains for {', '.join(sorted(tables['series'], key=_order))}",
            advice="patchkit render still gives you the diff for your own build, from 2.1 on",
        )
    series = _series(name, of_target.system)
    chosen = _crypto(series, version, crypto, linking=linking)
    found = [_feature(one) for one in dict.fromkeys(features)]
    pinned = chosen.pinned
    ported = [one for one in series.portability if of_target.system in one.systems and holds(one.releases, version)]
    further = {
        "cppflags": [*of_target.cppflags, *(flag for one in ported for flag in one.cppflags)],
        "cflags": [*of_target.cflags, *(flag for one in ported for flag in one.cflags), *cflags],
    }
    return Toolchain(
        base=Base.model_validate(tables["base"][series.base]),
        target=of_target.model_copy(update=further),
        base_target=of_target,
        series=series,
        crypto=chosen,
        portability=[one.why for one in ported],
        openssl=OpensslRecipe.model_validate(tables["openssl"][pinned.branch]) if pinned else None,
        features=[one.name for one in found],
        configure=[*series.configure, *chosen.configure, *_feature_words(series, of_target, chosen, found)],
        packages=sorted({*of_target.packages, *(package for one in found for package in one.packages)}),
    )


def _crypto(series: Series, version: Version, choice: str | None, *, linking: bool) -> Crypto:
    known = [SYSTEM, PINNED, *crypto_libraries()]
    if choice is not None and choice not in known:
        near = difflib.get_close_matches(choice, known, n=2, cutoff=0.5)
        raise BadUsageError(
            f"there is no crypto library {shown(choice)}",
            why=f"there are: {', '.join(known)}",
            advice=f"perhaps you meant --crypto {near[0]}" if near else "",
        )
    fitting = [one for one in series.crypto if holds(one.releases, version) and (one.links or not linking)]
    if not linking and choice is None:
        fitting.sort(key=lambda one: one.library != SYSTEM)
    for one in fitting:
        if one.answers_to(choice):
            return one
    raise ToolchainError(
        f"{version} can't be built with --crypto {choice}",
        why=f"it can be built with {', '.join(one.library for one in fitting)}",
        advice=f"--crypto {fitting[0].library}, or leave the choice to patchkit",
    )


def _feature(name: str) -> Feature:
    known = {one.name: one for one in features()}
    if name not in known:
        raise BadUsageError(
            f"there is no feature {shown(name)}",
            why=f"there are: {', '.join(f'{one.name} ({one.title})' for one in known.values())}",
        )
    return known[name]


def _feature_words(series: Series, target: Target, chosen: Crypto, wanted: Sequence[Feature]) -> list[str]:
    """configure's words for what was asked for, and against what was not: it would look for itself otherwise."""
    for one in wanted:
        if target.system not in one.systems:
            raise ToolchainError(
                f"{target.name} is not built with {one.name}",
                why=f"{one.name} is a matter of {', '.join(one.systems)} targets",
                advice=f"drop --with {one.name}",
            )
        if one.words(series.name).on is None:
            there = [name for words in one.options if words.on for name in words.series]
            raise ToolchainError(
                f"series {series.name} is not built with {one.name}",
                why=f"{one.name} is there for {', '.join(there)}",
                advice=f"drop --with {one.name}",
            )
        if one.crypto not in (None, chosen.library):
            raise ToolchainError(
                f"{one.name} can't be built in with {chosen.library}",
                why=f"it can be with --crypto {one.crypto}, whose libraries share one OpenSSL",
                advice=f"--crypto {one.crypto}, where the release allows it",
            )
    names = {one.name for one in wanted}
    said = []
    for one in features():
        if target.system not in one.systems:
            continue
        words = one.words(series.name)
        said += words.on or [] if one.name in names else words.off
    return said

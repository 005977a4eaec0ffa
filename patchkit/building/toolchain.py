"""Choose the base, packages, crypto library and flags that compile a release."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.building.toolchain_table import (
    ELSEWHERE,
    SYSTEM,
    Base,
    CryptoChoice,
    Feature,
    OpensslRecipe,
    Series,
    TableModel,
    Target,
    Zig,
    check_crypto,
    features,
    known_feature,
    known_target,
    newest,
    order_of,
    series_named,
    tables,
    zig,
)
from patchkit.errors import ToolchainError
from patchkit.releases.ranges import holds
from patchkit.releases.version import Version


class Toolchain(TableModel):
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
    all_tables = tables()
    of_target = known_target(target)
    # A branch or a future release: upstream rarely changes its toolchain, and a failure would be clear.
    name = newest() if order_of(version.series) > order_of(newest()) else version.series
    if name not in all_tables["series"]:
        raise ToolchainError(
            f"there is no toolchain for series {name}",
            why=f"there are toolchains for {', '.join(sorted(all_tables['series'], key=order_of))}",
            advice=f"{ELSEWHERE}, from 2.1 on",
        )
    series = series_named(name, of_target.kind)
    library = _crypto(series, version, crypto, linking=linking)
    requested = [known_feature(feature) for feature in dict.fromkeys(features)]
    pinned = library.pinned
    ported = [
        entry for entry in series.portability if of_target.system in entry.systems and holds(entry.releases, version)
    ]
    all_flags = {
        "cppflags": [*of_target.cppflags, *(flag for entry in ported for flag in entry.cppflags)],
        "cflags": [*of_target.cflags, *(flag for entry in ported for flag in entry.cflags), *cflags],
    }
    return Toolchain(
        base=Base.model_validate(all_tables["base"][series.base]),
        target=of_target.model_copy(update=all_flags),
        base_target=of_target,
        series=series,
        crypto=library,
        portability=[entry.why for entry in ported],
        openssl=OpensslRecipe.model_validate(all_tables["openssl"][pinned.branch]) if pinned else None,
        features=[feature.name for feature in requested],
        configure=[*series.configure, *library.configure, *_feature_words(series, of_target, library, requested)],
        packages=sorted({*of_target.packages, *(package for feature in requested for package in feature.packages)}),
        zig=zig() if of_target.zig else None,
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
        advice=f"--crypto {fitting[0].library}, or leave the choice to patchkit; or {ELSEWHERE}",
    )


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

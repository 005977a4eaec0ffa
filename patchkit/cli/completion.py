"""What a shell may complete: real values, read when it asks."""

from __future__ import annotations

from collections.abc import Iterable


def versions(incomplete: str) -> list[str]:
    """Return the releases that the pins know, newest first."""
    from patchkit.releases.catalog import catalog

    return _fitting(incomplete, [release.version.text for release in reversed(catalog().releases)])


def versions_and_libraries(incomplete: str) -> list[str]:
    """Return the releases that the pins know, and the libraries that patchkit compiles."""
    from patchkit.releases.libraries import libraries

    return [*versions(incomplete), *_fitting(incomplete, libraries())]


def version_lists(incomplete: str) -> list[str]:
    """Return what completes the last of several versions with commas between them."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{version}" for version in versions(last)]


def variants(incomplete: str) -> list[str]:
    """Return the variants that complete ``incomplete``."""
    from patchkit.patching.variants import names

    return _fitting(incomplete, names())


def patches(incomplete: str) -> list[str]:
    """Return the variants that change something."""
    from patchkit.patching.variants import STOCK

    return [name for name in variants(incomplete) if name != STOCK]


def steps(incomplete: str) -> list[str]:
    """Return the steps of a verification that complete the last of several with commas between them, none twice."""
    from patchkit.jobs.verify.model import STEPS

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{step}" for step in _fitting(last, STEPS) if step not in before.split(",")]


def evidence(incomplete: str) -> list[str]:
    """Return the kinds of evidence that complete the last of several with commas between them, none twice."""
    from patchkit.jobs.verify.model import EVIDENCE

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _fitting(last, EVIDENCE) if name not in before.split(",")]


def packages(incomplete: str) -> list[str]:
    """Return the kinds of packages that complete the last of several with commas between them, none twice."""
    from patchkit.packaging.kinds import ENDINGS

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{kind}" for kind in _fitting(last, ENDINGS) if kind not in before.split(",")]


def targets(incomplete: str) -> list[str]:
    """Return the targets that complete ``incomplete``."""
    from patchkit.building.toolchain_table import targets

    return _fitting(incomplete, targets())


def targets_or_all(incomplete: str) -> list[str]:
    """Return the targets, and the word for each that can be built here."""
    return [*_fitting(incomplete, ["all"]), *targets(incomplete)]


def crypto(incomplete: str) -> list[str]:
    """Return the two kinds of crypto library, and every pinned one."""
    from patchkit.building.toolchain_table import PINNED, SYSTEM
    from patchkit.releases.libraries import crypto_libraries

    return _fitting(incomplete, [SYSTEM, PINNED, *crypto_libraries()])


def features(incomplete: str) -> list[str]:
    """Return the optional parts of a build that complete ``incomplete``."""
    from patchkit.building.toolchain_table import features

    return _fitting(incomplete, [feature.name for feature in features()])


def scenarios(incomplete: str) -> list[str]:
    """Return the built-in scenarios that complete ``incomplete``."""
    from patchkit.lab.model.scenario import built_in

    return _fitting(incomplete, built_in())


def profiles(incomplete: str) -> list[str]:
    """Return the built-in credentials that complete ``incomplete``."""
    from patchkit.pki.profile import BUILT_IN

    return _fitting(incomplete, BUILT_IN)


def _fitting(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]

"""The kinds of packages that ``--package`` takes."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.errors import BadUsageError

ENDINGS = {"deb": ".deb", "oci": ".oci.tar", "rpm": ".rpm"}
"""How the names of the packages of each kind end."""
_TOOLS = {"rpm": ("rpm",)}
"""The Debian packages that make a kind of package, where a toolchain does not have them anyway."""


def check_packages(kinds: Sequence[str], target_system: str) -> None:
    """Raise BadUsageError for a kind of package that there is not, or not for such a target."""
    for kind in kinds:
        if kind not in ENDINGS:
            raise BadUsageError(f"--package {kind} is not known", why=f"known are {', '.join(ENDINGS)}")
        if target_system != "linux":
            raise BadUsageError(f"--package {kind} is for Linux", advice="--target linux-amd64")


def kinds_of(names: Sequence[str]) -> list[str]:
    """Return the kinds of the packages called ``names``."""
    return [kind for kind, ending in ENDINGS.items() if any(name.endswith(ending) for name in names)]


def tools_of(kinds: Sequence[str]) -> list[str]:
    """Return the Debian packages that a toolchain needs as well, to make packages of ``kinds``."""
    return [name for kind in kinds for name in _TOOLS.get(kind, ())]

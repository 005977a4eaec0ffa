"""Recognise the distribution, and name the commands that install packages on it."""

from __future__ import annotations

import platform
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from patchkit.building.engine.host import installed
from patchkit.building.toolchain_table import known_target

TABLE = Path(__file__).with_name("packages.toml")
# What os-release(5) has in ID and ID_LIKE, and the package manager that goes with it.
_MANAGERS = {
    "debian": "apt",
    "ubuntu": "apt",
    "fedora": "dnf",
    "rhel": "dnf",
    "arch": "pacman",
    "suse": "zypper",
    "opensuse": "zypper",
    "alpine": "apk",
}


@dataclass(frozen=True)
class Step:
    """One command that repairs something, and whether it needs root."""

    command: Sequence[str]
    root: bool = True


@dataclass(frozen=True)
class Distribution:
    """A distribution, as far as installing packages goes."""

    name: str
    manager: str = ""
    """apt, dnf, pacman, zypper or apk; empty where patchkit knows no names of packages."""
    refresh: Sequence[str] = ()
    """The command that runs before an installation."""
    installing: Sequence[str] = ()
    kits: dict[str, list[str]] = field(default_factory=dict)
    """Names of packages by what they are for."""

    def kit(self, name: str) -> Sequence[str]:
        """Return the packages of the kit ``name``; none where their names are not known."""
        return self.kits.get(name, ())

    def lacking(self, name: str) -> Sequence[str]:
        """Return the packages of the kit ``name`` that are not installed, as far as dpkg's records show."""
        packages = self.kit(name)
        has_records = self.manager == "apt" and packages and shutil.which("dpkg")
        there = installed(packages, _architecture()) if has_records else None
        return [] if there is None else [package for package in packages if package not in there]

    def install(self, packages: Sequence[str]) -> Sequence[Step]:
        """Return the commands that install ``packages``."""
        if not packages:
            return ()
        update = [Step(self.refresh)] if self.refresh else []
        return [*update, Step([*self.installing, *packages])]


def this() -> Distribution:
    """Return the distribution that runs here."""
    try:
        return distribution_from(platform.freedesktop_os_release())
    except OSError:
        return Distribution("a system without /etc/os-release")


def distribution_from(release: dict[str, str]) -> Distribution:
    """Return the distribution that ``release``, the fields of an os-release file, names."""
    name = release.get("PRETTY_NAME") or release.get("NAME", "Linux")
    for key in (release.get("ID", ""), *release.get("ID_LIKE", "").split()):
        manager = _MANAGERS.get(key.partition("-")[0])
        if manager is not None:
            return _managed(name, manager)
    return Distribution(name)


def _managed(name: str, manager: str) -> Distribution:
    table = tomllib.loads(TABLE.read_text("utf-8"))[manager]
    kits: dict[str, list[str]] = table["kits"]
    if manager == "apt":
        # The toolchains' table has Debian's names of compilers and libraries already.
        kits |= {"compiler": known_target("linux-amd64").packages, **_windows()}
    return Distribution(name, manager, table.get("refresh", ()), table["install"], kits)


def _architecture() -> str:
    """Return Debian's name of this machine's architecture."""
    done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip()


def _windows() -> dict[str, list[str]]:
    packages = known_target("windows-amd64").packages
    wine = [package for package in packages if package.startswith("wine")]
    return {"mingw": [package for package in packages if package not in wine], "wine": wine}

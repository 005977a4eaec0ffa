"""Which distribution this is, and the commands that install on it what is missing."""

from __future__ import annotations

import platform
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from patchkit.building.engine.host import installed
from patchkit.building.toolchain import known_target

TABLE = Path(__file__).with_name("packages.toml")
# What os-release(5) says in ID and ID_LIKE, and the package manager that goes with it.
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
    """One command that mends something, and whether it wants root."""

    command: Sequence[str]
    root: bool = True


@dataclass(frozen=True)
class Distribution:
    """A distribution, as far as installing packages goes."""

    name: str
    manager: str = ""
    """apt, dnf, pacman, zypper or apk; empty for one whose packages patchkit does not know."""
    refresh: Sequence[str] = ()
    """The command that goes before an installation."""
    installing: Sequence[str] = ()
    kits: dict[str, list[str]] = field(default_factory=dict)
    """Names of packages by what they are for."""

    def kit(self, name: str) -> Sequence[str]:
        """All packages that something wants here; none where their names are not known."""
        return self.kits.get(name, ())

    def lacking(self, name: str) -> Sequence[str]:
        """Those that are not installed, where dpkg keeps the records; none where that can't be told."""
        wanted = self.kit(name)
        asked = self.manager == "apt" and wanted and shutil.which("dpkg")
        there = installed(wanted, _architecture()) if asked else None
        return [] if there is None else [one for one in wanted if one not in there]

    def install(self, packages: Sequence[str]) -> Sequence[Step]:
        """The commands that install these packages."""
        if not packages:
            return ()
        update = [Step(self.refresh)] if self.refresh else []
        return [*update, Step([*self.installing, *packages])]


def this() -> Distribution:
    """The one that runs here."""
    try:
        return of(platform.freedesktop_os_release())
    except OSError:
        return Distribution("a system without /etc/os-release")


def of(release: dict[str, str]) -> Distribution:
    """The one that the fields of an os-release file name."""
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
        # What compiles is in a table already, with Debian's names.
        kits |= {"compiler": known_target("linux-amd64").packages, **_windows()}
    return Distribution(name, manager, table.get("refresh", ()), table["install"], kits)


def _architecture() -> str:
    """What Debian calls this machine's: of its packages that name none."""
    done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _windows() -> dict[str, list[str]]:
    packages = known_target("windows-amd64").packages
    wine = [one for one in packages if one.startswith("wine")]
    return {"mingw": [one for one in packages if one not in wine], "wine": wine}

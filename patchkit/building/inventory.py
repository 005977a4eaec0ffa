"""List the Debian packages that a build stands on, as a workspace has them: all that decides what a compiler makes.

The toolchain's table names some twenty packages; what they depend on compiles as well (``gcc`` itself is empty, and
brings ``gcc-12``). A package is known by its version and by a hash of the list of its files' own hashes, which dpkg
keeps: two packages of one version with other contents are told apart, without any index or network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from patchkit.building.engine.protocol import Workspace

_FIELDS = (
    "db:Status-Status", "Package", "Architecture", "Version", "source:Package", "source:Version", "Provides",
    "Pre-Depends", "Depends",
)  # fmt: skip
_ROW = "P" + "".join(f"\\t${{{field}}}" for field in _FIELDS) + "\\n"
_PACKAGES = r"""
command -v dpkg-query >/dev/null || exit 0
dpkg-query -W -f="$0"
cd /var/lib/dpkg/info && sha256sum *.md5sums | sed 's/^/S\t/; s/  /\t/'
"""
# $0 is the compiler, which knows where its linker finds a library. dpkg knows a file by the name that it was installed
# under: below /usr, or, on a system whose /lib is a link, without it. It is asked once: an answer takes long.
_LIBRARIES = r"""
for name; do
    shift
    path=$("$0" -print-file-name="$name")
    [ -f "$path" ] || continue
    path=$(realpath -s "$path")
    printf 'L\t%s\t%s\t%s\n' "$name" "$(sha256sum <"$path" | cut -d ' ' -f 1)" "$path"
    set -- "$@" "$path" "${path#/usr}"
done
dpkg-query -S "$@" 2>/dev/null | sed 's/^/O\t/; s/: /\t/'
"""


@dataclass(frozen=True)
class InstalledPackage:
    """An installed Debian package."""

    name: str
    architecture: str
    version: str
    source: str
    """The name of its source package."""
    source_version: str
    sha256: str
    """Of dpkg's list of the hashes of its files; empty where dpkg keeps none, as for a package without files."""

    @property
    def full_name(self) -> str:
        """``gcc-12:amd64``: what tells it from a package of another architecture."""
        return f"{self.name}:{self.architecture}"

    @property
    def stated(self) -> str:
        """Its version and hash, as a manifest states them."""
        return f"{self.version} {self.sha256}".strip()


@dataclass(frozen=True)
class SharedLibrary:
    """A shared library as the linker found it."""

    name: str
    """What the program asks for: ``libssl.so.3``."""
    sha256: str
    """Of the file; empty where the compiler does not find it."""
    package: InstalledPackage | None
    """The package that it is from; None where no package has it."""


@dataclass(frozen=True)
class _Installed:
    package: InstalledPackage
    provides: Sequence[str]
    depends: Sequence[Sequence[str]]
    """Names that are alternatives, for each dependency."""


@dataclass(frozen=True)
class Inventory:
    """The packages of the system that a workspace is on."""

    installed: Mapping[str, InstalledPackage]
    """All packages, by full name."""
    toolchain: Sequence[InstalledPackage]
    """Those of the toolchain, and all that they depend on, by full name; empty where the system does not use dpkg."""


def inventory(workspace: Workspace, packages: Sequence[str], native: str) -> Inventory:
    """Read which packages ``workspace`` has, and which of them ``packages`` of a toolchain need.

    A name without an architecture is of the ``native`` one, or of all. Raises the engine's errors.
    """
    rows = _rows(workspace, "sh", "-c", _PACKAGES, _ROW)
    hashes = {_listed(row[2]): row[1] for row in rows if row[0] == "S" and len(row) == 3}
    installed: dict[str, _Installed] = {}
    for row in (row for row in rows if row[0] == "P" and len(row) == 1 + len(_FIELDS) and row[1] == "installed"):
        _, _, name, architecture, version, source, source_version, provides, before, depends = row
        sha256 = hashes.get((name, architecture)) or hashes.get((name, None), "")
        package = InstalledPackage(name, architecture, version, source, source_version, sha256)
        installed[package.full_name] = _Installed(
            package,
            [_bare(entry) for entry in _entries(provides)],
            [[_bare(alternative) for alternative in entry.split("|")] for entry in _entries(f"{before}, {depends}")],
        )
    needed = _closure(installed, packages, native)
    return Inventory(
        {name: entry.package for name, entry in installed.items()},
        [installed[name].package for name in sorted(needed)],
    )


def shared_libraries(
    workspace: Workspace, compiler: str, names: Sequence[str], system: Inventory
) -> list[SharedLibrary]:
    """Find the shared libraries ``names`` where ``compiler`` finds them, and the packages of ``system`` they are from.

    Raises the engine's errors.
    """
    rows = _rows(workspace, "sh", "-c", _LIBRARIES, compiler, *names) if names else []
    owners = {row[2].removeprefix("/usr"): row[1] for row in rows if row[0] == "O" and len(row) == 3}
    loaded = {row[1]: row for row in rows if row[0] == "L" and len(row) == 4}
    return [
        SharedLibrary(name, loaded[name][2], _package(owners.get(loaded[name][3].removeprefix("/usr"), ""), system))
        if name in loaded
        else SharedLibrary(name, "", None)
        for name in names
    ]


def _rows(workspace: Workspace, *command: str) -> list[list[str]]:
    lines: list[str] = []
    workspace.run(command, cwd=".", env={"LC_ALL": "C"}, line=lines.append)
    return [line.split("\t") for line in lines]


def _listed(file_name: str) -> tuple[str, str | None]:
    """Return package and architecture of a list of dpkg's: ``libc6:amd64.md5sums``, ``make.md5sums``."""
    name, _, architecture = file_name.removesuffix(".md5sums").partition(":")
    return name, architecture or None


def _entries(text: str) -> Iterator[str]:
    return (entry.strip() for entry in text.split(",") if entry.strip())


def _bare(entry: str) -> str:
    """Return the package's name in ``name:any (>= 1)``."""
    return re.split(r"[\s(:\[]", entry.strip(), maxsplit=1)[0]


def _closure(installed: Mapping[str, _Installed], packages: Sequence[str], native: str) -> set[str]:
    """Return the full names of ``packages`` and of all that they depend on."""
    providers: dict[str, list[str]] = {}
    for full_name, entry in sorted(installed.items()):
        for name in (entry.package.name, *entry.provides):
            providers.setdefault(name, []).append(full_name)

    def matching(name: str, architecture: str) -> list[str]:
        candidates = [installed[full].package for full in providers.get(name, [])]
        own = [package for package in candidates if package.architecture in (architecture, "all")]
        return [package.full_name for package in own or candidates]

    waiting = [full for name in packages for full in matching(*_named(name, native))]
    needed: set[str] = set()
    while waiting:
        full_name = waiting.pop()
        if full_name in needed:
            continue
        needed.add(full_name)
        entry = installed[full_name]
        own = native if entry.package.architecture == "all" else entry.package.architecture
        waiting += [full for names in entry.depends for name in names for full in matching(name, own)]
    return needed


def _named(name: str, native: str) -> tuple[str, str]:
    bare, _, architecture = name.partition(":")
    return bare, architecture or native


def _package(owner: str, system: Inventory) -> InstalledPackage | None:
    """Return the package that ``dpkg-query -S`` calls ``owner``: a name, mostly with its architecture."""
    named = (package for package in system.installed.values() if package.name == owner)
    return system.installed.get(owner) or next(named, None)

"""The parts that a program consists of and loads, with their licences and the names that others know them by."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from patchkit.building.inventory import InstalledPackage, Inventory, SharedLibrary
from patchkit.building.toolchain_table import Component
from patchkit.packaging.manifest import Artifact, Source
from patchkit.releases.libraries import libraries

Linkage = Literal["compiled in", "loaded"]

# Packages whose objects every program of a target holds: what starts it, and what the compiler calls by itself.
_RUNTIME = {
    "native": ("libgcc-*-dev", "libc6-dev"),
    "cross": ("libgcc-*-dev-*-cross", "libc6-dev-*-cross"),
    "windows": ("mingw-w64-*-dev", "gcc-mingw-w64-*-runtime"),
}


@dataclass(frozen=True)
class Names:
    """What the table states of a component."""

    licence: str
    """An SPDX expression."""
    cpe: str = ""
    """NVD's vendor and product: ``openssl:openssl``."""


@dataclass(frozen=True)
class CompiledPart:
    """A component of a program besides OpenVPN itself."""

    name: str
    version: str
    linkage: Linkage
    purl: str
    sha256: str
    """Of the source for what was compiled for it, of the file for a shared library; empty where there is no file."""
    names: Names | None
    """None where the table has no entry."""
    upstream_version: str
    """The version without what a distribution adds, as NVD counts."""
    urls: Sequence[str] = ()
    """Where the source is."""
    asked_for_as: str = ""
    """The name under which a program asks for a shared library."""


@cache
def known_names() -> dict[str, Names]:
    """Read the table of licences and names, by source package or pinned library."""
    text = (resources.files("patchkit.packaging") / "components.toml").read_text("utf-8")
    return {name: Names(**entry) for name, entry in tomllib.loads(text).items()}


def parts(
    artifact: Artifact,
    system: Inventory,
    loaded: Sequence[SharedLibrary],
    *,
    cross: bool,
    runtime: Sequence[Component] = (),
) -> list[CompiledPart]:
    """List what the programs of ``artifact`` hold and load besides OpenVPN's own code.

    ``system`` is what it was compiled on, ``loaded`` are the shared libraries that the program asks for. ``runtime`` is
    what a compiler that Debian does not package links in by itself.
    """
    compiled_in = []
    crypto = artifact.build.crypto
    if crypto is not None and crypto.source is not None:
        compiled_in.append(_pinned(crypto.library, crypto.version, crypto.source))
    compiled_in += [_pinned(library.name, library.version, library.source) for library in artifact.build.libraries]
    compiled_in += [
        CompiledPart(
            part.name, part.version, "compiled in", f"pkg:generic/{part.name}@{part.version}", "",
            Names(part.licence, part.cpe), part.version, (part.url,),
        )
        for part in runtime
    ]  # fmt: skip
    if runtime:
        return [*compiled_in, *map(_shared, loaded)]
    kind = "windows" if artifact.build.glibc is None else "cross" if cross else "native"
    compiled_in += [
        _of_debian(package, "compiled in")
        for package in system.toolchain
        if any(fnmatch.fnmatchcase(package.name, pattern) for pattern in _RUNTIME[kind])
    ]
    return [*compiled_in, *map(_shared, loaded)]


def _pinned(name: str, version: str, source: Source) -> CompiledPart:
    library = libraries()[name]
    stem = library.title.lower()
    purl = f"pkg:generic/{stem}@{version}"
    if source.sha256 is not None and source.verified:
        purl += f"?checksum=sha256:{source.sha256}&download_url={library.urls[0]}"
    return CompiledPart(
        name=library.title,
        version=version,
        linkage="compiled in",
        purl=purl,
        sha256=source.sha256 or source.contents or "",
        names=known_names().get(name),
        upstream_version=version,
        urls=library.urls if source.verified else (),
    )


def _of_debian(package: InstalledPackage, linkage: Linkage, sha256: str = "", asked_for_as: str = "") -> CompiledPart:
    architecture = f"?arch={package.architecture}&distro=debian"
    return CompiledPart(
        name=package.name,
        version=package.version,
        linkage=linkage,
        purl=f"pkg:deb/debian/{package.name}@{package.version}{architecture}",
        sha256=sha256,
        names=known_names().get(package.source),
        upstream_version=package.source_version.rpartition(":")[2].rpartition("-")[0] or package.source_version,
        asked_for_as=asked_for_as,
    )


def _shared(library: SharedLibrary) -> CompiledPart:
    if library.package is None:  # Windows' own, or a library that was installed by hand
        return CompiledPart(library.name, "", "loaded", "", library.sha256, None, "", asked_for_as=library.name)
    return _of_debian(library.package, "loaded", library.sha256, library.name)

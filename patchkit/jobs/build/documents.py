"""The documents beside an artifact, made with the build: its SBOM and its provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from patchkit.building.check import pe
from patchkit.building.check.elf import linkage
from patchkit.building.engine.protocol import Workspace
from patchkit.building.inventory import Inventory, SharedLibrary, inventory, shared_libraries
from patchkit.building.toolchain import Toolchain
from patchkit.building.toolchain_table import Target
from patchkit.packaging.components import parts
from patchkit.packaging.contents import members
from patchkit.packaging.dist import described
from patchkit.packaging.manifest import Artifact
from patchkit.packaging.provenance import SUFFIX as PROVENANCE
from patchkit.packaging.provenance import provenance
from patchkit.packaging.sbom import SUFFIX as SBOM
from patchkit.packaging.sbom import sbom


@dataclass(frozen=True)
class StandsOn:
    """What an artifact was compiled on and loads."""

    system: Inventory
    loaded: Sequence[SharedLibrary]


def stands_on(workspace: Workspace, tools: Toolchain, installed: bytes) -> StandsOn:
    """Read from ``workspace`` what the programs in ``installed``, a tar, were compiled on, and the libraries they load.

    Raises the engine's errors.
    """
    needed = _needed(installed, tools.target)
    system = inventory(workspace, tools.packages, tools.target.debian_arch)
    if tools.target.system == "windows":  # its DLLs are Windows' own
        return StandsOn(system, [SharedLibrary(name, "", None) for name in needed])
    return StandsOn(system, shared_libraries(workspace, tools.target.tool("gcc"), needed, system))


def _needed(installed: bytes, target: Target) -> list[str]:
    """Return the names of the shared libraries that any program or plugin in the tar ``installed`` asks for."""
    programs = [member.data for member in members("installed.tar", installed).values() if member.is_program]
    if target.system == "windows":
        return sorted({name for data in programs for name in pe.executable(data).needed})
    return sorted({name for data in programs for name in linkage(data).needed})


def documents_of(
    artifact: Artifact, files: Mapping[str, bytes], base: StandsOn, tools: Toolchain, *, with_spdx: bool = False
) -> dict[str, bytes]:
    """Return the documents of ``artifact`` by name; its ``files`` are the archive and, except for stock, the diff.

    Raises ToolError where the library that writes SPDX is not installed.
    """
    archive, *others = files.items()
    diff = others[0][1] if others else b""
    runtime = tools.zig.runtime if tools.zig else ()
    components = parts(artifact, base.system, base.loaded, cross=tools.target.cross, runtime=runtime)
    contents = members(*archive)
    bills = {f"{artifact.name}{SBOM}": sbom(artifact, contents, components, diff)}
    if with_spdx:
        from patchkit.packaging.spdx import SUFFIX as SPDX
        from patchkit.packaging.spdx import spdx

        bills[f"{artifact.name}{SPDX}"] = spdx(artifact, contents, components, diff)
    statement = provenance(artifact, [described(name, bill) for name, bill in bills.items()])
    return {**bills, f"{artifact.name}{PROVENANCE}": statement}

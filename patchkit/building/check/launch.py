"""Start a built program on the machine that compiled it: directly, or through wine or QEMU."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from patchkit import resources
from patchkit.building.engine.protocol import Workspace
from patchkit.building.toolchain_table import Target
from patchkit.errors import SmokeError

WINE = "wine.sh"
_PREFIX = "wine"
_LIMIT = 300  # seconds for making wine's own folder: 10 to 20 were measured, twice that on a busy machine


def needs(target: Target) -> dict[str, bytes]:
    """Return the files that the folder of :func:`scripts` must hold for ``target``, by name."""
    return {WINE: (resources.folder("docker") / WINE).read_bytes()} if _under_wine(target) else {}


def scripts(workspace: Workspace, target: Target, folder: str, programs: Mapping[str, str]) -> dict[str, bytes]:
    """Return a script by name for each of ``programs`` (paths by name) that starts it with its arguments.

    The scripts belong into ``folder`` of the workspace, which must hold what the target :func:`needs`.
    """
    words = _wine(workspace, folder) if _under_wine(target) else target.runs_with
    return {
        name: f'#!/bin/sh\nexec {shlex.join([*words, program])} "$@"\n'.encode() for name, program in programs.items()
    }


def warm_up(workspace: Workspace, target: Target, folder: str) -> None:
    """Let wine make its folder before time limits apply; does nothing for other targets.

    Raises SmokeError where wine does not start.
    """
    if not _under_wine(target):
        return
    output: list[str] = []
    command = ["timeout", str(_LIMIT), *_wine(workspace, folder), "--boot"]
    code = workspace.run(command, cwd=folder, env={"LC_ALL": "C"}, line=output.append)
    if code != 0:
        raise SmokeError(
            "wine does not start here, and without it no program for Windows can be tested",
            why="\n".join(output[-5:]) or f"wineboot: exit code {code}",
            advice="--engine docker, whose image has a wine of its own",
        )


def wind_down(workspace: Workspace, target: Target, folder: str) -> None:
    """End the processes that wine keeps running behind its programs; does nothing for other targets."""
    if _under_wine(target):
        workspace.run([*_wine(workspace, folder), "--end"], cwd=folder, env={}, line=lambda _: None)


def _under_wine(target: Target) -> bool:
    return target.runs_with[:1] == ["wine"]


def _wine(workspace: Workspace, folder: str) -> list[str]:
    return ["sh", f"{workspace.top}/{folder}/{WINE}", f"{workspace.top}/{_PREFIX}"]

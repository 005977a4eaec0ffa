"""Builds as a user starts them: the command, what is in its archives, and what an engine may have left behind."""

from __future__ import annotations

import os
import subprocess
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from patchkit.building.engine.docker import connect
from patchkit.building.engine.image import PROCESS
from patchkit.errors import PatchkitError
from tests.support.starts import client as starts

GIT = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards
NEWEST = ["2.7.8", "2.7.7"]


def engine_or_skip(name: str) -> str:
    if name == "docker":
        try:
            connect().close()
        except PatchkitError as error:
            pytest.skip(f"{error.what}: {error.why}")
    return name


def run(*arguments: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
    done = starts.run(arguments, Path.cwd(), {**os.environ, **env}, timeout=600)
    assert done.returncode == code, done.stderr
    return done


def unpack(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as tar:
        (top,) = {member.name.split("/")[0] for member in tar}
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    return folder / top


def version_of(openvpn: Path) -> str:
    output = subprocess.run([openvpn, "--version"], capture_output=True, text=True, check=False).stdout
    return output.split()[1]


def left_overs(temporary: Path, process: int) -> list[object]:
    """Return what is in ``temporary``, and the containers that the process with this id has made."""
    files: list[object] = list(temporary.iterdir())
    try:
        client = connect()
    except PatchkitError:
        return files
    with closing(client):
        return [*files, *client.containers.list(all=True, filters={"label": f"{PROCESS}={process}"})]

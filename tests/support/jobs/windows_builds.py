"""Builds for Windows, and what is in their archives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

AMD64, I686, LINUX = "windows-amd64", "windows-i686", "linux-amd64"


def build(
    out: Path, *options: str, engine: str = "host", may_lack: str | None = None, env: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """The artifacts that were built; skips where this host lacks just the package that it ``may_lack``."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "patchkit", "build", *options, "--engine", engine, "--out", str(out), "--json"],
        capture_output=True, text=True, timeout=3000, check=False, cwd=out.parent, env={**os.environ, **(env or {})},
    )  # fmt: skip
    if done.returncode == 42 and "unmet dependencies" in done.stderr:
        pytest.skip(f"the Debian mirror does not have all packages in one version today: {done.stderr[-600:]}")
    if may_lack is not None and done.returncode == 42 and f"error: this host lacks {may_lack}\n" in done.stderr:
        pytest.skip(f"this host lacks {may_lack}, a package of another architecture")
    assert done.returncode == 0, done.stderr
    return [outcome["artifact"] for outcome in json.loads(done.stdout)["outcomes"]]


def members(artifact: dict[str, Any], out: Path) -> dict[str, bytes]:
    """What is in an artifact's archive, without the folder that holds all of it."""
    archive = artifact["files"][0]["name"]
    top = f"{artifact['name']}/"
    with zipfile.ZipFile(out / archive) as packed:
        assert all(name.startswith(top) for name in packed.namelist())
        return {name.removeprefix(top): packed.read(name) for name in packed.namelist()}

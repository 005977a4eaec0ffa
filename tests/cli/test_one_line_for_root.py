"""Who is not root gets one line to run as root: the same from doctor, a build, the lab and its kernel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from patchkit.cache import Cache
from tests.conftest import PINNED, Run, upstream

# A Debian on which nothing of what is asked for is installed.
DPKG_QUERY = """#!/bin/sh
case "$*" in
"-W dpkg") exit 0 ;;
esac
exit 1
"""
LINE = re.compile(r"as root: (apt-get update && apt-get install [^;\n]*)")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The folder with all commands of a host that has no compiler."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "git", "gpg", "uname", "env", "cat"):
        path = next(path for path in (Path("/usr/bin", name), Path("/bin", name)) if path.exists())
        (folder / name).symlink_to(path)
    (folder / "dpkg-query").write_text(DPKG_QUERY)
    (folder / "dpkg").write_text("#!/bin/sh\necho amd64\n")
    for name in ("dpkg-query", "dpkg"):
        (folder / name).chmod(0o755)
    return folder


def told(patchkit: Run, bare: Path, *arguments: str, cache: Path | None = None) -> set[str]:
    env = {"PATH": str(bare), "DOCKER_HOST": "unix:///nowhere"} | ({"PATCHKIT_CACHE": str(cache)} if cache else {})
    done = patchkit(*arguments, env=env)
    assert done.returncode != 0
    return {*LINE.findall(done.stderr)}


@pytest.mark.slow
def test_the_same_line_from_every_command(patchkit: Run, bare: Path, tmp_path: Path, shared_cache: Cache) -> None:
    upstream(PINNED, shared_cache)
    given = ("--version", PINNED, "--engine", "host")
    lines = {
        "doctor": told(patchkit, bare, "doctor", "build", "lab", cache=tmp_path / "cache"),
        "build": told(patchkit, bare, "build", *given, "--out", "dist"),
        "lab run": told(patchkit, bare, "lab", "run", *given, "--out", "report"),
        "lab kernel": told(patchkit, bare, "lab", "kernel", cache=tmp_path / "cache"),
        "verify": told(patchkit, bare, "verify", *given, "--only", "build"),
    }
    assert {name: len(each) for name, each in lines.items()} == dict.fromkeys(lines, 1)
    assert len(set.union(*lines.values())) == 1, lines

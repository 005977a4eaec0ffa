"""kill -9 in mid-build: what was there before is there after it, whole, and the next run brings what is new."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.packaging.manifest import Manifest
from tests.conftest import PINNED, upstream

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # a dozen builds, most of them cut short

COMMAND = [
    sys.executable,
    "-P",
    "-m",
    "patchkit",
    "build",
    "--version",
    PINNED,
    "--variant",
    "retransmit",
    "--engine",
    "host",
    "--verbose",
]
NEW = "--cflag=-O0"
"""What makes the next build another one, and a quick one."""
NAME = f"openvpn-{PINNED}+retransmit-linux-amd64"


def after(sign: str, times: int = 1) -> Callable[[str], bool]:
    """Says yes to the n-th line that holds the sign."""
    left = times

    def now(line: str) -> bool:
        nonlocal left
        left -= sign in line
        return left == 0

    return now


MOMENTS = {
    "the source": partial(after, "==> Source"),
    "the toolchain": partial(after, "==> Toolchain"),
    "before configure": partial(after, "==> Configure"),
    "in configure": partial(after, "checking", 40),
    "the makefiles": partial(after, "config.status: creating"),
    "before make": partial(after, "==> Compile"),
    "the first file": partial(after, "-DHAVE_CONFIG_H"),
    "the fiftieth file": partial(after, "-DHAVE_CONFIG_H", 50),
    "the variant": partial(after, "==> Compile", 2),
    "the smoke test": partial(after, "==> Smoke test"),
}


BY_DAY = ("in configure", "the fiftieth file", "the smoke test")


@pytest.mark.parametrize("moments", [pytest.param(BY_DAY, id="three"), pytest.param(tuple(MOMENTS), id="all")])
def test_killed_and_then_again(moments: Sequence[str], tmp_path: Path, shared_cache: Cache) -> None:
    upstream(PINNED, shared_cache)
    out, temporary = tmp_path / "dist", tmp_path / "tmp"
    temporary.mkdir()
    cache = tmp_path / "cache"
    (cache / "downloads").mkdir(parents=True)
    kept = shared_cache.root / "downloads" / f"openvpn-{PINNED}.tar.gz"
    (cache / "downloads" / kept.name).write_bytes(kept.read_bytes())
    env = {**os.environ, "PATCHKIT_CACHE": str(cache), "TMPDIR": str(temporary)}

    def build(*words: str) -> None:
        done = subprocess.run(
            [*COMMAND, "--out", str(out), *words], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    build()
    old = state(out)
    try:
        for moment in moments:
            killed([*COMMAND, "--out", str(out), NEW], env, MOMENTS[moment](), moment)
            assert state(out) == old, moment
            end_all_below(temporary)
        build(NEW)
    finally:
        end_all_below(temporary)
    new = state(out)
    assert new.keys() == old.keys()
    assert new["manifest.json"] != old["manifest.json"]
    (artifact,) = Manifest.model_validate_json(new["manifest.json"]).artifacts
    assert "-O0" in artifact.build.cflags
    out = again = tmp_path / "again"
    env["PATCHKIT_CACHE"] = str(shared_cache.root)
    build(NEW)
    assert state(again)[f"{NAME}.tar.gz"] == new[f"{NAME}.tar.gz"]  # nothing half-made in the cache had a part in it


def state(folder: Path) -> dict[str, bytes]:
    """Every file with a final name; what the checksums say of them holds."""
    subprocess.run(["sha256sum", "--strict", "--check", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def killed(command: list[str], env: dict[str, str], now: Callable[[str], bool], moment: str) -> None:
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if now(line):
                process.send_signal(signal.SIGKILL)
                break
        else:
            pytest.fail(f"the build never came to {moment}")
    assert process.returncode == -signal.SIGKILL


def end_all_below(folder: Path) -> None:
    """Nobody can tidy up after a kill -9: the compiler that it left behind is this test's own to end."""
    for _ in range(50):
        mine = [
            int(path.name)
            for path in Path("/proc").iterdir()
            if path.name.isdecimal() and path.name != str(os.getpid()) and _below(path, folder)
        ]
        if not mine:
            return
        for pid in mine:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _below(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").resolve().is_relative_to(folder)
    except OSError:
        return False

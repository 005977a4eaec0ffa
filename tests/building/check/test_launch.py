"""What keeps running behind programs under wine, when all is done and when it is interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("wine") is None, reason="wine is not in PATH"),
]
BOOT = """
import sys
from patchkit import signals
from patchkit.building.check import smoke
from patchkit.building.engine.protocol import Identity
from patchkit.building.engine.host import HostEngine
from patchkit.building.toolchain_table import known_target
from patchkit.ui import Ui
signals.install()
try:
    with (
        HostEngine(Ui(quiet=True)).workspace(Identity("host", "", {}), keep=False) as workspace,
        smoke.prepared_workspace(workspace, known_target("windows-amd64")),
    ):
        pass
except KeyboardInterrupt:
    sys.exit(130)
"""


def of_wine(temporary: Path) -> list[str]:
    """The commands of processes whose wine is below a folder; those that only wait to be collected have no command."""
    commands = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"WINEPREFIX={temporary}/".encode() in (process / "environ").read_bytes():
                commands.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return commands


@pytest.mark.parametrize("interrupt", [False, True], ids=["done", "interrupted"])
def test_nothing_of_wine_outlives_the_bench(tmp_path: Path, *, interrupt: bool) -> None:
    """Wine's server has a session of its own: what kills the commands of a workspace does not reach it."""
    with subprocess.Popen(
        [sys.executable, "-P", "-c", BOOT], env={**os.environ, "TMPDIR": str(tmp_path)}, start_new_session=True
    ) as process:
        if interrupt:
            deadline = time.monotonic() + 60
            while not any("services.exe" in command for command in of_wine(tmp_path)):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=300) == (130 if interrupt else 0)
    time.sleep(0.5)  # killed is not yet gone
    assert of_wine(tmp_path) == []
    assert list(tmp_path.iterdir()) == []

"""Steps of a test's own, run as root in the lab's guest: there the kernel has all that a host's may lack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from patchkit.lab.guest import initramfs
from patchkit.lab.guest.image import Guest
from patchkit.lab.link.run_output import RunOutput
from patchkit.lab.runner.answer import unpacked
from tests.conftest import ROOT
from tests.support.lab.alone import alone

NETNS = (
    "__init__.py",
    "errors.py",
    "signals.py",
    "temporary.py",
    "lab/__init__.py",
    "lab/link/__init__.py",
    "lab/link/netns.py",
    "lab/link/processes.py",
    "lab/link/run_output.py",
)
"""What patchkit.lab.link.netns is made of, besides the runner: it imports nothing else but Python's own library."""
_WALL = 600.0  # seconds for all the steps; on a quiet machine they take a tenth of it
# In place of the guest's own. It tells of what goes wrong on the console, which `booted` shows.
_START = b"""\
import os, sys, time, traceback
sys.path.insert(0, "/lab")
try:
    from patchkit.lab.runner.answer import packed
    import steps
    port = os.open("/dev/" + os.listdir("/sys/class/virtio-ports")[0], os.O_WRONLY)
    def say(step, outcome, parts={}):
        data = memoryview(packed({**outcome, "step": step}, parts))
        while data:
            data = data[os.write(port, data[:32768]):]
    steps.main(say)
    say("end", {})
except BaseException:
    traceback.print_exc()
    sys.stderr.flush()
with open("/proc/sysrq-trigger", "w") as trigger:
    trigger.write("b")
time.sleep(60)
"""


def netns_files() -> dict[str, bytes]:
    """The modules of NETNS and the runner's, below ``patchkit``."""
    package = ROOT / "patchkit"
    paths = [package / name for name in NETNS] + sorted((package / "lab/runner").glob("*.py"))
    return {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}


def booted(guest: Guest, steps: Path, files: Mapping[str, bytes]) -> dict[str, RunOutput]:
    """Boot, let ``main(say)`` of ``steps`` run in /lab, where ``files`` are, and give what it said, by step."""
    inside = {**netns_files(), **files, "steps.py": steps.read_bytes(), "start.py": _START}
    output = alone(guest, {f"lab/{path}": initramfs.regular(data) for path, data in inside.items()}, wall_limit=_WALL)
    heard = {str(outcome.pop("step")): RunOutput(outcome, parts) for outcome, parts in unpacked(output.answer)}
    assert "end" in heard, f"only {', '.join(heard) or 'nothing'} was heard:\n{output.console}"
    return heard

"""The link 'netns': network namespaces and netem of this host's own kernel, in real time, as root."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patchkit.errors import LinkError
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.run_output import RunOutput, run_outputs
from patchkit.lab.runner.process import call
from patchkit.lab.runner.process import run as run_program
from patchkit.lab.runner.source import sources
from patchkit.temporary import temporary

_TOOLS = {"ip": "iproute2", "tc": "iproute2", "nft": "nftables", "ping": "iputils-ping"}
_OTHERS = "--link uml, the default, needs none of this"


@dataclass(frozen=True)
class Kernel:
    """This host's kernel, and whether its netem and this host's ``tc`` support seeds (Linux 6.7, iproute2 6.6)."""

    release: str
    seeded: bool


def check() -> Kernel:
    """Add a netem to a device of a scratch namespace, and return the kernel that did it.

    Raises LinkError when the user is not root, when a tool is missing, or when the kernel has no netem.
    """
    if os.geteuid() != 0:  # checked first: the PATH of an ordinary user often lacks the tools' folder
        raise LinkError("the link 'netns' needs root", why="it makes network namespaces", advice=_OTHERS)
    missing = sorted({package for tool, package in _TOOLS.items() if shutil.which(tool) is None})
    if missing:
        advice = f"on Debian: apt-get install {' '.join(missing)}; {_OTHERS}"
        raise LinkError("tools for the link 'netns' are missing", why=", ".join(missing), advice=advice)
    scratch = f"patchkit-{uuid.uuid4().hex[:8]}"
    netem = ["ip", "netns", "exec", scratch, "tc", "qdisc", "add", "dev", "near", "root", "netem", "loss", "1%"]
    try:
        call(["ip", "netns", "add", scratch])
        try:
            call(["ip", "-n", scratch, "link", "add", "near", "type", "veth", "peer", "name", "far"])
            try:
                call([*netem, "seed", "1"])
            except RuntimeError:
                call(netem)
                return Kernel(platform.release(), seeded=False)
        finally:
            run_program(["ip", "netns", "del", scratch])
    except (OSError, RuntimeError) as error:
        raise LinkError("this host's kernel cannot be the link", why=str(error), advice=_OTHERS) from error
    return Kernel(platform.release(), seeded=True)


def unseeded(order: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the seeds from the qdiscs of ``order``, for a netem that does not support them."""
    turns = [
        {
            **turn,
            "qdiscs": {
                direction: {key: value for key, value in qdisc.items() if key != "seed"}
                for direction, qdisc in turn["qdiscs"].items()
            },
        }
        for turn in order["turns"]
    ]
    return {**order, "turns": turns}


def run(
    files: Mapping[str, bytes], order: Mapping[str, object], *, wall_limit: float, groups: ProcessGroups
) -> list[RunOutput]:
    """Run the trials of ``order`` on ``files`` in namespaces of their own, for at most ``wall_limit`` seconds.

    Raises LinkError when the runner does not answer.
    """
    with temporary("netns-", Path(tempfile.gettempdir())) as work:
        runner = {f"runner/{path}": data for path, data in sources().items()}
        for path, data in {**files, **runner}.items():
            file = work / path
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
            file.chmod(0o700 if path.startswith("peers/") else 0o600)
        (work / "order").write_text(json.dumps(order))
        complaint = _perform(work, wall_limit, groups)
        try:
            return run_outputs((work / "answer").read_bytes(), order)
        except (OSError, ValueError) as error:
            raise LinkError(
                "a trial on the link 'netns' gave no answer", why=complaint or str(error), advice=_OTHERS
            ) from error


def _perform(work: Path, wall_limit: float, groups: ProcessGroups) -> str:
    """Run the runner on the order in ``work``, and return what went wrong; empty when it ended as it should."""
    command = [sys.executable, "-m", "runner.host", "order", "answer"]
    process = subprocess.Popen(
        command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        process_group=0, env={**os.environ, "PYTHONPATH": str(work), "LC_ALL": "C"},
    )  # fmt: skip
    with process:
        groups.add(process.pid)
        try:
            printed = process.communicate(timeout=wall_limit)[0].strip()
        except subprocess.TimeoutExpired:
            return f"it was still running after {wall_limit:.0f} s"
        finally:
            with suppress(ProcessLookupError):  # a runner that was killed alone leaves its peers behind
                os.killpg(process.pid, signal.SIGKILL)
            groups.remove(process.pid)
    if process.returncode < 0:
        printed += f"\nits runner was killed by {signal.Signals(-process.returncode).name}"
    elif process.returncode and not printed:
        printed = f"its runner ended with exit code {process.returncode}"
    return printed.strip()

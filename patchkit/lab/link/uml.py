"""The link 'uml': User-Mode Linux, whose clock stands still while anything computes. One trial, one boot.

``time-travel=inf-cpu`` makes computing free and skips the time in which nothing runs; each system call takes a fixed
time. So a trial depends on its programs, its scenario and its seed, and on nothing of the host.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from patchkit.context import Context
from patchkit.errors import GuestError, MachineError
from patchkit.lab.guest import initramfs as cpio
from patchkit.lab.guest.kernel.obtain import UmlKernel, kernel
from patchkit.lab.guest.uml_image import UmlImage, uml_image
from patchkit.lab.link.initrd_files import InitrdFiles
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.run_output import RunOutput, run_outputs
from patchkit.lab.link.uml_process import MEMORY, WallTimeError, boot
from patchkit.lab.runner.task import FRAMES, LAST, LOGS

PROGRAMS = ("peers/client", "peers/server")
_SCRIPT = "/lab/start.pyc"
_START_LIMIT = 120.0  # seconds of wall time for a guest that runs no trial; 0.2 were measured


@dataclass(frozen=True)
class Machine:
    """What all guests are made of."""

    kernel: UmlKernel
    image: UmlImage
    initrds: InitrdFiles

    @cached_property
    def digest(self) -> str:
        """A hash of the kernel and the image, in hex."""
        return hashlib.sha256(f"{self.kernel.digest} {self.image.digest}".encode()).hexdigest()


def machine(context: Context, groups: ProcessGroups) -> Machine:
    """Return what guests are made of, from the cache of ``context`` or made now.

    Raises GuestError when something is not available, LinkError when this host cannot run it, and what compiling a
    kernel raises.
    """
    compiled, initrds = kernel(context), InitrdFiles()

    def run_python(initramfs: bytes, script: str) -> bytes:
        return boot(
            compiled, [initramfs], script, wall_limit=_START_LIMIT, groups=groups, initrds=initrds, memory=2 * MEMORY
        )

    return Machine(compiled, uml_image(context, run_python), initrds)


def check(machine: Machine, groups: ProcessGroups) -> None:
    """Boot a guest that has nothing to do. Raises LinkError when this host cannot run it."""
    _unpacked(_answer(machine, b"", {}, groups, _START_LIMIT, MEMORY))


def packed_peers(machine: Machine, files: Mapping[str, bytes], groups: ProcessGroups) -> bytes:
    """Pack the peers' ``files`` for the guest, and start both programs in it once.

    Raises GuestError when one of them does not start there.
    """
    layer = machine.image.peers(files, PROGRAMS)
    answer = _answer(machine, layer, {"turns": []}, groups, _START_LIMIT, MEMORY)
    outcome = _unpacked(answer)[0].outcome
    if "complaint" in outcome:
        raise GuestError(str(outcome["complaint"]), why="the guest has the libraries of Debian's packages only")
    return layer


def run(
    machine: Machine,
    peers: bytes,
    order: Mapping[str, Any],
    *,
    wall_limit: float,
    groups: ProcessGroups,
    clients: int = 1,
) -> list[RunOutput]:
    """Run the trials of ``order``, each for at most ``wall_limit`` seconds and in a guest of its own.

    Raises MachineError when a guest does not answer.
    """
    outputs = []
    for turn, wish in zip(order["turns"], order["wishes"], strict=True):
        # What is kept of a trial is decided here: the guest must not know, or it would be another trial.
        alone = {**{name: part for name, part in order.items() if name != "wishes"}, "turns": [turn]}
        outputs.append(_trial(machine, peers, alone, wish, wall_limit, groups, memory_of(clients)))
        if wish & LAST:
            break
    return outputs


def _trial(
    machine: Machine,
    peers: bytes,
    order: Mapping[str, Any],
    wish: int,
    wall_limit: float,
    groups: ProcessGroups,
    memory: int,
) -> RunOutput:
    try:
        answer = _answer(machine, peers, order, groups, wall_limit, memory)
    except WallTimeError as error:
        detail = f"a peer computed without a system call, most likely: {error.what}"
        nothing = dict.fromkeys(("packets", "frames", "client.log", "server.log"), b"")
        return _kept(RunOutput(_hang(detail), nothing), wish)
    (output,) = _unpacked(answer)
    # Computing takes no time here: what the kernel counts is the number of system calls.
    return _kept(RunOutput({**output.outcome, "cpu": {}}, output.parts), wish)


def _unpacked(answer: bytes) -> list[RunOutput]:
    try:
        return run_outputs(answer, {"wishes": [LAST]})
    except ValueError as error:
        raise MachineError("the lab's guest gave no whole answer", why=str(error)) from error


def memory_of(clients: int) -> int:
    """Return the MiB of a guest with so many ``clients``: 6 more for each beyond the first.

    Fifty clients of 2.6.14 completed with 160, and one with 90: the rest is for storms and larger programs.
    """
    return MEMORY + 6 * (clients - 1)


def _answer(
    machine: Machine, peers: bytes, order: Mapping[str, Any], groups: ProcessGroups, wall_limit: float, memory: int
) -> bytes:
    parts = [machine.image.base]
    if order.get("rules"):
        parts.append(machine.image.part("nft"))
    if order.get("run") == "soak":
        parts.append(machine.image.part("ping"))
    if order.get("shell"):
        parts.append(machine.image.part("busybox"))
    document = cpio.archive({"lab/order": cpio.regular(json.dumps(order, sort_keys=True).encode())})
    return boot(
        machine.kernel, [*parts, peers, document], _SCRIPT,
        wall_limit=wall_limit, groups=groups, initrds=machine.initrds, memory=memory,
    )  # fmt: skip


def _kept(output: RunOutput, wish: int) -> RunOutput:
    logs = wish & LOGS or output.outcome["outcome"] in ("crash", "hang")
    parts = {
        name: data
        for name, data in output.parts.items()
        if (wish & FRAMES if name == "frames" else logs if name.endswith(".log") else True)
    }
    return RunOutput(output.outcome, parts)


def _hang(detail: str) -> dict[str, object]:
    """Describe a trial that had to be cut off from outside."""
    return {
        "outcome": "hang", "detail": detail, "seconds": None, "until_ns": None, "guest_seconds": 0.0,
        "capture_lost": 0, "cpu": {}, "counts": {}, "counters": "",
    }  # fmt: skip

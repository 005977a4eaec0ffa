"""Trials on a worker of a cluster, in guests of the kernel and the image that the client has brought."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchkit.cluster.task import done
from patchkit.context import Context
from patchkit.errors import MachineError
from patchkit.jobs.lab.batch import FinishedTrial, arm_of, batches, finished_trials
from patchkit.jobs.lab.links import UmlLink
from patchkit.lab.guest.kernel.obtain import UmlKernel
from patchkit.lab.guest.uml_image import UmlImage
from patchkit.lab.link import uml
from patchkit.lab.link.binaries import Binary
from patchkit.lab.link.initrd_files import InitrdFiles
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.model.campaign import Campaign
from patchkit.lab.model.trial import Trial
from patchkit.lab.report.folder import line
from patchkit.lab.runner.answer import packed, unpacked
from patchkit.storage import replace_all, sha256_of, writing

RECORD = "kernel"
_KERNEL = "linux"
_OF_IMAGE = ("base", "busybox", "nft", "ping")
_KEPT = 4  # campaigns, and kernels, that a worker remembers
_Stamp = tuple[int, int, int]


def ground_files(machine: uml.Machine) -> dict[str, bytes]:
    """Return the kernel of ``machine``, and the parts of its image that a trial can need."""
    parts = {name: machine.image.part(name) for name in _OF_IMAGE}
    return {_KERNEL: machine.kernel.program.read_bytes(), **parts}


def run_trials(unit: bytes, campaign: bytes, ground: bytes, peers: bytes) -> bytes:
    """Run the trials that ``unit`` names; what Dask calls, on a worker.

    ``ground`` is the packed kernel and image, ``peers`` the packed programs and credentials of the unit's arm.
    """

    def work() -> tuple[bytes, bytes]:
        answer = _grounds.run(json.loads(unit), campaign, ground, peers)
        return answer, answer

    return done("lab", work)


def read_trials(answer: bytes) -> list[FinishedTrial]:
    """Return the trials of a unit, as :func:`run_trials` has packed them."""
    return [
        FinishedTrial(
            Trial.model_validate_json(parts.pop("trial")), {name: data.decode("utf-8") for name, data in parts.items()}
        )
        for _, parts in unpacked(answer)
    ]


class _Grounds:
    """What this process has made of inputs, by their hash. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._campaigns: dict[str, Campaign] = {}
        self._links: dict[str, UmlLink] = {}
        self._kernels: dict[Path, tuple[bytes, _Stamp]] = {}
        self._checked: set[str] = set()

    def run(self, unit: Mapping[str, Any], campaign: bytes, ground: bytes, peers: bytes) -> bytes:
        names: list[str] = unit["inputs"]
        with self._lock:
            for name, data in zip(names, (campaign, ground, peers), strict=True):
                self._check(name, data)
            this = self._campaign(names[0], campaign)
            link = self._link(names[1], ground)
            self._check_kernel(link.machine.kernel)
        if link.machine.digest != this.machine.guest:
            raise MachineError("the kernel and the guest that came are not the campaign's")
        cell = this.cell(unit["cell"])
        if cell is None:
            raise MachineError(f"the campaign has no cell {unit['cell']}")
        arm = arm_of(this, cell)
        pair = Binary(arm.client, b""), Binary(arm.server, b"")  # their programs are in what was packed
        link.take(*pair, cell.credentials, peers)
        size = this.machine.shift
        finished = [
            trial
            for _, numbers in batches([(cell, number) for number in unit["numbers"]], size)
            for trial in finished_trials(this, cell, numbers, pair, link)
        ]
        return b"".join(
            packed(
                {}, {"trial": line(done.trial).encode(), **{name: text.encode() for name, text in done.logs.items()}}
            )
            for done in finished
        )

    def _check(self, name: str, data: bytes) -> None:
        if name in self._checked:
            return
        if hashlib.sha256(data).hexdigest() != name:
            raise MachineError("an input is not what the client has sent", why=f"it should have the sha256 {name}")
        self._checked.add(name)

    def _campaign(self, name: str, data: bytes) -> Campaign:
        if name not in self._campaigns:
            _forget(self._campaigns)
            self._campaigns[name] = Campaign.model_validate_json(data)
        return self._campaigns[name]

    def _link(self, name: str, data: bytes) -> UmlLink:
        if name in self._links:
            return self._links[name]
        ((outcome, files),) = unpacked(data)
        record: Any = outcome[RECORD]
        cache = Context.default().cache
        program = cache.cluster / record["digest"]
        kernel = UmlKernel(program, record["digest"], record["release"], record["config"], record["syscall_ns"])
        self._kernels[program] = files[_KERNEL], (0, 0, 0)
        self._check_kernel(kernel)
        image = UmlImage(cache.cluster, record["image"], {part: files[part] for part in _OF_IMAGE})
        groups = ProcessGroups()
        machine = uml.Machine(kernel, image, InitrdFiles())
        uml.check(machine, groups)
        _forget(self._links)
        self._links[name] = UmlLink(cache, machine, groups)
        return self._links[name]

    def _check_kernel(self, kernel: UmlKernel) -> None:
        """Compare the kernel in the cache with its hash where it is new or was touched, and write it anew."""
        data, stamp = self._kernels[kernel.program]
        if _stamp(kernel.program) == stamp:
            return
        if hashlib.sha256(data).hexdigest() != kernel.digest:
            raise MachineError("the kernel that came is not the one that was announced")
        if not kernel.program.exists() or sha256_of(kernel.program) != kernel.digest:
            with writing(kernel.program):
                kernel.program.unlink(missing_ok=True)  # or what is written would keep its mode
            replace_all({kernel.program: data}, mode=0o755)
        self._kernels[kernel.program] = data, _stamp(kernel.program)


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError:
        return 0, 0, -1
    return status.st_size, status.st_mtime_ns, status.st_ino


def _forget(kept: dict[str, Any]) -> None:
    """Forget the oldest of ``kept`` where there are many."""
    while len(kept) >= _KEPT:
        kept.pop(next(iter(kept)))


_grounds = _Grounds()

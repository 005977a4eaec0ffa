"""The link 'qemu': QEMU in virtual time. It boots once for a pair of programs; each batch of trials runs in a copy.

``-icount sleep=off`` makes the number of instructions the clock and skips the time in which nothing runs: a copy that
gets the same order does the same things at the same moments, whatever the host is doing meanwhile.
"""

from __future__ import annotations

import hashlib
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from patchkit.cache import Cache, keep_newest
from patchkit.errors import MachineError
from patchkit.lab.guest import initramfs as cpio
from patchkit.lab.guest.image import Guest
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.qemu_process import (
    BOOT_LIMIT,
    PARAMETERS,
    QemuProcess,
    booting,
    hardware,
    installed_qemu,
    write_order,
)
from patchkit.lab.link.run_output import RunOutput, run_outputs
from patchkit.storage import writing
from patchkit.temporary import temporary

_STATES = 8  # that stay in the cache, some 145 MB each


@dataclass(frozen=True)
class Snapshot:
    """A machine that has booted and waits for its order."""

    state: Path
    guest: Guest
    key: str
    """A hash of everything that is in it, in hex."""


def snapshot(
    guest: Guest, files: Mapping[str, bytes], programs: Sequence[str], cache: Cache, groups: ProcessGroups | None = None
) -> Snapshot:
    """Boot ``guest`` with ``files`` below ``/lab`` until it waits for its order, and keep that state in the cache.

    ``programs`` are those of the files that are executable. Raises GuestError when there is no QEMU or the guest lacks
    something, MachineError when it does not boot, DiskFullError when its state does not fit.
    """
    _, version = installed_qemu()
    layer = cpio.archive(
        {f"lab/{path}": cpio.regular(data, executable=path in programs) for path, data in files.items()}
    )
    parts = (guest.digest, version, hardware(guest), PARAMETERS, hashlib.sha256(layer).hexdigest())
    key = hashlib.sha256(repr(parts).encode()).hexdigest()
    folder = cache.machines
    booted = Snapshot(folder / f"{key[:24]}.state", guest, key)
    with cache.lock(f"machine-{key[:24]}"):
        if not booted.state.exists():
            with tempfile.TemporaryDirectory(prefix="boot-", dir=folder) as work:
                _boot(guest, layer, Path(work), groups or ProcessGroups())
                with writing(booted.state):
                    (Path(work) / "state").replace(booted.state)
        keep_newest(folder, _STATES, used=booted.state)
    return booted


def run(
    snapshot: Snapshot, order: Mapping[str, object], *, wall_limit: float, groups: ProcessGroups | None = None
) -> list[RunOutput]:
    """Run the trials of ``order`` in a copy of the machine ``snapshot``, for at most ``wall_limit`` seconds.

    Raises MachineError when the copy does not answer, GuestError when its runner complains about the guest.
    """
    with temporary("trial-", Path(tempfile.gettempdir())) as work:
        write_order(work, order)
        incoming = ["-incoming", f"exec:cat {shlex.quote(str(snapshot.state))}"]
        with QemuProcess(snapshot.guest, work, incoming, groups or ProcessGroups()) as process:
            process.resume(BOOT_LIMIT)
            process.wait(wall_limit)
        try:
            return run_outputs((work / "answer").read_bytes(), order)
        except ValueError as error:
            raise process.out_of_memory() or MachineError(
                "the lab's guest gave no answer",
                why=f"{error}\n{process.console()}",
                advice="patchkit lab replay shows more of it; please report it",
            ) from error


def _boot(guest: Guest, layer: bytes, work: Path, groups: ProcessGroups) -> None:
    with booting(guest, layer, work, groups) as process:
        process.until("guest-panicked", BOOT_LIMIT)
        process.ask("migrate", uri=f"exec:cat > {shlex.quote(str(work / 'state'))}")
        process.migrated(BOOT_LIMIT)

"""The guest with programs of a test's own in place of the runner, booted once and not copied."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from patchkit.lab.guest import initramfs as cpio
from patchkit.lab.guest.image import Guest
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.qemu_process import booting


@dataclass(frozen=True)
class Output:
    """What such a machine left behind."""

    answer: bytes
    console: str
    """The last lines."""


def alone(guest: Guest, files: Mapping[str, cpio.InitramfsFile], *, wall_limit: float) -> Output:
    """Boot ``guest`` with ``files`` over its own, and wait until it switches itself off. It runs ``/lab/start.py``.

    Raises GuestError or MachineError.
    """
    with tempfile.TemporaryDirectory(prefix="patchkit-alone-") as name:
        work = Path(name)
        with booting(guest, cpio.archive(files), work, ProcessGroups()) as process:
            process.wait(wall_limit)
        output = Output((work / "answer").read_bytes(), process.console())
        if not output.answer and (lack := process.out_of_memory()) is not None:
            raise lack
        return output

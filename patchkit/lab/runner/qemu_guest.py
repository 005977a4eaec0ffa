"""The runner as the first process of QEMU's machine. It gets everything ready, is put to sleep, and wakes up once
for every trial: the machine is copied as it lies there.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import time
from pathlib import Path

from . import network
from .first_process import ForeignProgramError, check_peers, reseed
from .task import LAST, kind, perform

ORDER = Path("/sys/firmware/qemu_fw_cfg/by_name/opt/patchkit/order/raw")
WISHES = ORDER.parents[1] / "wishes" / "raw"
_PVPANIC = ("0x1b36", "0x0011")  # QEMU's docs/specs/pvpanic.rst
COMPLAINT = "patchkit: "
"""Begins a line on the console that says why there will be no trial."""
_NETEM = {"kind": "netem", "options": bytes(24).hex()}
_BOUNDARY = 10_000_000_000  # ns
_RESERVE = 16 << 20  # bytes left to the kernel


def main() -> None:
    """Make the network, wait for the order, and run its trials."""
    try:
        _wait_and_run(network.build())
    except ForeignProgramError as error:
        print(f"{COMPLAINT}{error}", flush=True)
    except BaseException:  # noqa: BLE001 - the console is the only one who would hear of it
        import traceback

        traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    _off()


def _wait_and_run(namespaces: dict[str, int]) -> None:
    port = os.open(f"/dev/{_port()}", os.O_WRONLY)
    os.chdir("/lab")
    _warm_up()
    _forget()
    _sleep_until_copied()
    order = json.loads(ORDER.read_bytes().rstrip(b"\0"))
    experimenting = kind(order)
    for number, turn in enumerate(order["turns"]):
        _sleep_to_boundary()
        reseed(turn["seed"])
        _send(port, perform(order, number, namespaces, _wish, experimenting))
        if _wish(number) & LAST:
            return


def _wish(number: int) -> int:
    """What is wished of a trial: a byte each, and nothing to be parsed. To look takes the same steps for all."""
    return WISHES.read_bytes()[number]


def _sleep_to_boundary() -> None:
    """Until a full ten seconds of the clock, to the nanosecond: whatever came before, it began at this moment."""
    # The guest's Python is 3.13, which knows it.
    timer = os.timerfd_create(time.CLOCK_MONOTONIC)  # type: ignore[attr-defined]
    now = time.monotonic_ns()
    moment = now - now % _BOUNDARY + _BOUNDARY
    os.timerfd_settime_ns(timer, flags=os.TFD_TIMER_ABSTIME, initial=moment)  # type: ignore[attr-defined]
    os.read(timer, 8)
    os.close(timer)


def _send(port: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(port, view[: 1 << 15]) :]


def _port() -> str:
    return next(path.name for path in Path("/sys/class/virtio-ports").iterdir())


def _warm_up() -> None:
    """What every trial would do for the first time is done before the copy is taken."""
    check_peers()
    network.shape(_NETEM, _NETEM)
    network.shape(network.PLAIN, network.PLAIN)
    network.rules("flush ruleset\n")
    network.counters()


def _forget() -> None:
    """Fill the free memory with zeros: what nobody needs any more would be copied each time."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(lines["MemFree"].removesuffix("kB")) * 1024
    mmap.mmap(-1, free - _RESERVE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()


def _sleep_until_copied() -> None:
    """Tell QEMU: this is the moment. It stops the machine within this write, and starts it again for each trial."""
    for device in Path("/sys/bus/pci/devices").iterdir():
        if ((device / "vendor").read_text().strip(), (device / "device").read_text().strip()) == _PVPANIC:
            (device / "enable").write_text("1")
            with (device / "resource0").open("r+b") as file, mmap.mmap(file.fileno(), 2) as register:
                register[0] = 1
            return
    raise RuntimeError("no pvpanic device")


def _off() -> None:
    os.sync()
    Path("/proc/sysrq-trigger").write_text("b")
    time.sleep(60)

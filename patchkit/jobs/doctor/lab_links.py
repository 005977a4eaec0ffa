"""The lab's two links: the machine is booted, and a netem is put on a device of this kernel."""

from __future__ import annotations

from patchkit.context import Context
from patchkit.lab.guest.image import guest
from patchkit.lab.link import netns, qemu
from patchkit.lab.link.qemu_process import installed_qemu

# Stands in for openvpn where only the machine is to be tried.
_STAND_IN = b"#!/usr/bin/busybox sh\necho OpenVPN stand-in\n"


def booted(context: Context) -> str:
    """Boots the guest, and wakes a copy of it that has nothing to do."""
    version = installed_qemu()[1]
    files = {"peers/client": _STAND_IN, "peers/server": _STAND_IN}
    found = qemu.snapshot(guest(context), files, tuple(files), context.cache)
    qemu.run(found, {"turns": [], "wishes": []}, wall_limit=120)
    return f"QEMU {version} boots Linux {found.guest.release}"


def netem() -> str:
    """Adds the queueing discipline in a network namespace that is gone afterwards."""
    kernel = netns.check()
    return f"netem of Linux {kernel.release}, {'with' if kernel.seeded else 'without'} seeds"

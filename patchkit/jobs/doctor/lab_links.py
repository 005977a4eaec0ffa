"""Start the lab's links: boot QEMU's guest, and add a netem to a device of this kernel."""

from __future__ import annotations

from patchkit.context import Context
from patchkit.lab.guest.image import guest
from patchkit.lab.link import netns, qemu
from patchkit.lab.link.qemu_process import installed_qemu

# Stands in for openvpn where only the guest has to boot.
_STAND_IN = b"#!/usr/bin/busybox sh\necho OpenVPN stand-in\n"


def booted(context: Context) -> str:
    """Boot the lab's guest, and wake a copy of it that has nothing to do; report the versions in a line.

    Raises GuestError, and what fetching the guest's packages raises.
    """
    version = installed_qemu()[1]
    files = {"peers/client": _STAND_IN, "peers/server": _STAND_IN}
    snapshot = qemu.snapshot(guest(context), files, tuple(files), context.cache)
    qemu.run(snapshot, {"turns": [], "wishes": []}, wall_limit=120)
    return f"QEMU {version} boots Linux {snapshot.guest.release}"


def netem() -> str:
    """Add netem to a device in a network namespace that is removed afterwards; report the kernel in a line.

    Raises what ``netns.check`` raises.
    """
    kernel = netns.check()
    return f"netem of Linux {kernel.release}, {'with' if kernel.seeded else 'without'} seeds"

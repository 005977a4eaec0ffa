"""What the lab's links need: look for its kernel, boot QEMU's guest, add a netem to a device of this host's kernel."""

from __future__ import annotations

import sys

from patchkit.context import Context
from patchkit.jobs.doctor.distribution import Distribution, Step
from patchkit.jobs.doctor.model import FaultError
from patchkit.lab.guest.image import guest
from patchkit.lab.guest.kernel import given, obtain, tools
from patchkit.lab.link import netns, qemu
from patchkit.lab.link.qemu_process import installed_qemu

# Stands in for openvpn where only the guest has to boot.
_STAND_IN = b"#!/usr/bin/busybox sh\necho OpenVPN stand-in\n"


def kernel(distribution: Distribution, context: Context) -> str:
    """Look for the lab's kernel in the cache, or at the one that ``PATCHKIT_UML`` names; describe it in a line.

    Nothing is compiled. Raises FaultError where there is none, with the command that makes it, GuestError on another
    processor and for a given program that is not a kernel for the lab.
    """
    if given.given_program() is None:
        tools.check_processor()
    cached = obtain.kernel(context) if given.given_program() else obtain.kept(context)
    if cached is not None:
        return f"Linux {cached.release}, sha256 {cached.digest[:16]}"
    missing = tools.lacking()
    raise FaultError(
        "the cache has no kernel for the lab",
        why=f"this host lacks {', '.join(missing)}, to compile one" if missing else "it is compiled in some minutes",
        state="missing",
        packages=(distribution.lacking("kernel") or distribution.kit("kernel")) if missing else (),
        steps=[Step([sys.executable, "-m", "patchkit", "lab", "kernel"], root=False)],
    )


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

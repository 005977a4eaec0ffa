"""The changes to the kernel that make the lab repeatable, and fast, as an exact diff for the very source."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

from patchkit.errors import (
    AlreadyPatchedError,
    AnchorError,
    BadSourceError,
    BadVariantError,
    GuestError,
    PatchMismatchError,
)
from patchkit.patching.combination import Combination
from patchkit.patching.render import Rendered, render_below
from patchkit.patching.variants import Variant
from patchkit.source.tree.tree import Entry, Origin, SourceTree

SYSCALL_NS = 5000
"""Nanoseconds of guest time that each system call takes.

While a program computes, the guest's clock stands still; with calls that take no time, a program that never sleeps, as
the published patch in its storm, would hold it still for ever. 5 µs is what a small call with its work costs on the
machines of today, and so little beside a round trip that a handshake's time does not depend on it.
"""
MARK = "patchkit-lab-syscall-ns="
"""What the program holds, with :data:`SYSCALL_NS` behind it: so a kernel that someone brings can be asked for it."""
FOLDER = Path(__file__).with_name("changes")
FILES = (
    "arch/um/kernel/load_file.c", "arch/um/kernel/skas/syscall.c", "arch/um/kernel/trap.c", "arch/um/os-Linux/util.c",
)  # fmt: skip
"""The files that change, by their paths in the kernel's source; each has a template in ``changes/``."""
_HEADER = """\
Description: A clock and random numbers that depend on nothing of the host
 Each system call takes {ns} ns of the guest's time in time-travel mode, and the
 random generator of the guest begins with the same numbers in each run.
 A fault of a process takes the pages behind it as well, and the initramfs is
 read where the host has it: that saves the host's time, and no guest's.
Author: patchkit
Forwarded: not-needed
---
"""
_FIT = (AlreadyPatchedError, AnchorError, BadSourceError, BadVariantError, PatchMismatchError)


class _KernelChange(Variant):
    """A variant whose templates know the time of a system call."""

    def template(self, file: str) -> str:
        """Read the template for ``file``."""
        return super().template(file).replace("SYSCALL_NS", str(SYSCALL_NS)).replace("MARK", MARK)


def texts() -> list[str]:
    """Return the templates as they are rendered: what the changes are made of."""
    return [_variant().template(file) for file in FILES]


def render(files: Mapping[str, bytes], release: str) -> Rendered:
    """Render the changes for ``files``, those of :data:`FILES` of the kernel ``release``.

    Raises GuestError where they do not fit exactly.
    """
    origin = Origin("tarball", f"Linux {release}", verified=True, epoch=0)
    tree = SourceTree(origin, {path: Entry.of(data) for path, data in files.items()})
    try:
        return render_below(_HEADER.format(ns=SYSCALL_NS).encode(), Combination((_variant(),)), tree)
    except _FIT as error:
        raise GuestError(
            f"patchkit's changes do not fit Linux {release}",
            why=f"{error.what}\n{error.why}".strip(),
            advice="PATCHKIT_UML=PATH takes a kernel that you have built",
        ) from error


def _variant() -> Variant:
    return _KernelChange(
        name="uml-lab",
        folder=FOLDER,
        title="A clock and random numbers that depend on nothing of the host",
        description="",
        author="patchkit",
        origin="other, patchkit",
        status="faithful",
        last_update=datetime.date(2026, 11, 29),
        guard=False,
        files=list(FILES),
        functions=["uml_load_file", "handle_syscall", "handle_page_fault", "os_getrandom"],
        markers=["os_map_memory", "time_travel_ndelay", "page + 16", "0x9e3779b97f4a7c15"],
        order=0,
        conflicts=[],
        upstream=[],
    )

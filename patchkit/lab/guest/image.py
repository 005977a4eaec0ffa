"""QEMU's guest: a kernel and an initramfs, made from pinned packages and kept in the cache by what they are made of."""

from __future__ import annotations

import hashlib
import inspect
import io
import lzma
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from patchkit.cache import keep_newest
from patchkit.context import Context
from patchkit.errors import GuestError
from patchkit.lab.guest import initramfs as cpio
from patchkit.lab.guest.packages import Pins, fetched, members, pins
from patchkit.lab.guest.userland import MERGED, add_member
from patchkit.lab.runner.source import sources
from patchkit.storage import replace_all, sha256_of

_GUESTS = 4  # that stay in the cache, some 40 MB each: another patchkit's is made again when it is needed
# Modules by name, in any order: their dependencies are found in the modules themselves.
_MODULES = ("veth", "sch_netem", "nf_tables", "nft_numgen", "tun", "qemu_fw_cfg")
# Folders of packages that nothing in the guest reads.
_LEFT_OUT = (
    "usr/share/", "usr/lib/x86_64-linux-gnu/gconv/", "usr/lib/python3.13/test/", "usr/lib/python3.13/idlelib/",
    "usr/lib/python3.13/pydoc_data/", "usr/lib/python3.13/unittest/", "etc/", "usr/lib/systemd/", "usr/lib/locale/",
    "usr/include/",
)  # fmt: skip
# PATH is what execvp of a program without one finds; sh is busybox.
_INIT = """\
#!/usr/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
busybox mount -t proc proc /proc
busybox --install -s /usr/local/bin
export PATH=$PATH:/usr/local/bin
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mkdir -p /run/netns /var /dev/net
ln -s /run /var/run
for module in {modules}; do insmod /modules/$module.ko || echo "no module $module"; done
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
cd /lab && exec {command}
"""


@dataclass(frozen=True)
class Guest:
    """A kernel image and the first part of an initramfs, both files in the cache."""

    kernel: Path
    initramfs: Path
    digest: str
    """A hash of both, in hex."""
    release: str
    """The kernel's release."""


def guest(context: Context) -> Guest:
    """Return the guest, from the cache of ``context`` or made now.

    Raises GuestError when a package is not available or lacks a part of the guest, WrongHashError, StorageError or
    DiskFullError.
    """
    pinned = pins()
    runner = sources()
    # The code that makes it is part of the key.
    code = [inspect.getsource(module) for module in (sys.modules[__name__], cpio)]
    key = hashlib.sha256(repr((pinned, sorted(runner.items()), code)).encode()).hexdigest()[:16]
    folder = context.cache.made("guests", key)
    kernel_image, initramfs = folder / "vmlinuz", folder / "initramfs"
    with context.cache.lock(f"guest-{key}"):
        # The kernel is written last: if it exists, the initramfs is complete.
        if not kernel_image.exists():
            context.ui.step(
                f"Guest of the lab: Linux {pinned.kernel}, {len(pinned.package)} packages of Debian {pinned.suite}"
            )
            kernel, files = _unpacked(pinned, fetched(pinned, context))
            files |= {f"lab/runner/{name}": cpio.regular(data) for name, data in runner.items()}
            replace_all({initramfs: cpio.archive(files), kernel_image: kernel})
            keep_newest(folder.parent, _GUESTS, used=folder)
    digest = hashlib.sha256(f"{sha256_of(kernel_image)} {sha256_of(initramfs)}".encode()).hexdigest()
    return Guest(kernel_image, initramfs, digest, pinned.kernel)


def _unpacked(pinned: Pins, debs: list[Path]) -> tuple[bytes, dict[str, cpio.InitramfsFile]]:
    files = dict(MERGED)
    files |= {name: cpio.folder() for name in ("proc", "sys", "dev", "run", "tmp", "root", "usr/local/bin")}
    kernel = b""
    modules: dict[str, bytes] = {}
    for deb in debs:
        for member, data in members(deb):
            path = member.name.removeprefix("./").rstrip("/")
            if path == f"boot/vmlinuz-{pinned.kernel}":
                kernel = data
            elif path.endswith(".ko.xz"):
                modules[path.rpartition("/")[2].removesuffix(".ko.xz")] = data
            elif not path.startswith(("boot/", f"usr/lib/modules/{pinned.kernel}", *_LEFT_OUT)):
                add_member(files, path, member.mode, data, link_to=member.linkname if member.issym() else None,
                           folder=member.isdir())  # fmt: skip
    needed = _in_order(modules)
    files |= {f"modules/{name}.ko": cpio.regular(data) for name, data in needed.items()}
    # The mask keeps python from looking for a site's own packages; runner is the only one.
    command = "python3.13 -I -S -X frozen_modules=on /lab/start.py"
    files["lab/start.py"] = cpio.regular(
        b"import sys\nsys.path.insert(0, '/lab')\nfrom runner import qemu_guest\nqemu_guest.main()\n"
    )
    files["init"] = cpio.regular(_INIT.format(modules=" ".join(needed), command=command).encode(), executable=True)
    if not kernel:
        raise GuestError(f"no kernel in {debs[0].name}", why=f"no boot/vmlinuz-{pinned.kernel}")
    return kernel, files


def _in_order(packed: Mapping[str, bytes]) -> dict[str, bytes]:
    """Unpack the modules of _MODULES and their dependencies, each behind its own."""
    order: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in order or name not in packed:  # not packed: it is built in
            return
        data = lzma.decompress(packed[name])
        for need in _needs(data):
            add(need.replace("-", "_") if need.replace("-", "_") in packed else need)
        order[name] = data

    for name in _MODULES:
        if name not in packed:
            raise GuestError(f"the guest's kernel has no module {name}")
        add(name)
    return order


def _needs(module: bytes) -> list[str]:
    """Read the dependencies of ``module`` from its section .modinfo: ``depends=a,b``."""
    from elftools.elf.elffile import ELFFile

    section = ELFFile(io.BytesIO(module)).get_section_by_name(".modinfo")
    lines = section.data().split(b"\0") if section else []
    names = next((line.removeprefix(b"depends=").decode() for line in lines if line.startswith(b"depends=")), "")
    return [name for name in names.split(",") if name]

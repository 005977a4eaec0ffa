"""The initramfs of User-Mode Linux: of the guest's packages no more than one trial reads.

It is copied twice at each boot, and there is a boot for each trial: every MiB of it costs a millisecond.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import marshal
import re
import stat
import struct
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from patchkit.cache import keep_newest
from patchkit.context import Context
from patchkit.errors import GuestError, PatchkitError
from patchkit.lab.guest import initramfs as cpio
from patchkit.lab.guest.packages import Pins, fetched, pins
from patchkit.lab.guest.userland import LIBRARIES, LOADER, MERGED, Userland
from patchkit.lab.runner.source import sources
from patchkit.storage import replace_all, sha256_of

PYTHON = "usr/bin/python3.13"
_STDLIB = "usr/lib/python3.13/"
_IMAGES = 4  # that stay in the cache, some 20 MB each
_PROGRAMS = (PYTHON, LOADER)
_BUSYBOX = "usr/bin/busybox"
# What releases before 2.5, and builds with such a feature, set up their tun devices with: at the path that the program
# holds as a string.
_TOOLS = {b"ip": "usr/sbin/ip", b"ifconfig": _BUSYBOX, b"route": _BUSYBOX}
_NAMED_TOOL = re.compile(rb"(?<=\0)/((?:usr/)?s?bin/(ip|ifconfig|route))(?=\0)")
_DEVICES = {
    "dev/console": (5, 1), "dev/net/tun": (10, 200), "dev/null": (1, 3), "dev/random": (1, 8), "dev/ttyS0": (4, 64),
    "dev/urandom": (1, 9), "dev/zero": (1, 5),
}  # fmt: skip
_FOLDERS = ("proc", "root", "run", "sys", "tmp")
_OPTIONAL = {"nft": ("usr/sbin/nft",), "ping": ("usr/bin/ping",), "busybox": (_BUSYBOX,)}
"""Programs that only some trials need, by the name of their part of the image."""
POWEROFF = "lab/poweroff"
# reboot(2) with LINUX_REBOOT_CMD_POWER_OFF (linux/reboot.h), which Python does not know; then an invalid instruction.
_POWEROFF_CODE = b"".join((
    b"\xb8", struct.pack("<I", 169), b"\xbf", struct.pack("<I", 0xFEE1DEAD), b"\xbe", struct.pack("<I", 672274793),
    b"\xba", struct.pack("<I", 0x4321FEDC), b"\x0f\x05\x0f\x0b",
))  # fmt: skip
_SUMS = "sha256.json"
Boot = Callable[[bytes, str], bytes]
"""Boots an initramfs, runs the Python file of that path in it, and returns what was answered."""


@dataclass(frozen=True)
class UmlImage:
    """The parts of an initramfs, in a folder of the cache."""

    folder: Path
    digest: str
    """A hash of all parts, in hex."""
    _parts: dict[str, bytes] = field(default_factory=dict, compare=False)
    """What was read already."""

    @cached_property
    def base(self) -> bytes:
        """What every trial needs, as an archive."""
        return self.part("base")

    def part(self, name: str) -> bytes:
        """Return the part ``name``: ``nft``, ``ping`` or ``busybox``, which some trials need."""
        if name not in self._parts:
            self._parts[name] = (self.folder / name).read_bytes()
        return self._parts[name]

    def peers(self, files: Mapping[str, bytes], programs: tuple[str, ...]) -> bytes:
        """Pack ``files`` below /lab, of which ``programs`` are executable, with the libraries that these need."""
        packed: dict[str, cpio.InitramfsFile] = {}
        first: dict[bytes, str] = {}
        for path, data in files.items():
            packed[f"lab/{path}"] = cpio.regular(data, executable=path in programs)
            if path in programs:
                needed = {**self._libraries.libraries(data), **self._tools(data)}
                packed |= {name: file for name, file in needed.items() if name not in self._names}
                if first.setdefault(data, path) != path:  # one program for both sides is there once
                    packed[f"lab/{path}"] = cpio.link(f"/lab/{first[data]}")
        return cpio.archive(packed)

    def _tools(self, program: bytes) -> dict[str, cpio.InitramfsFile]:
        """Return the tools that ``program`` names, and busybox for a script."""
        needed = self._libraries.programs(_BUSYBOX) if program.startswith(b"#!") else {}
        for path, name in _NAMED_TOOL.findall(program):
            tool = _TOOLS[name]
            needed |= self._libraries.programs(tool)
            place = path.decode() if path.startswith(b"usr/") else f"usr/{path.decode()}"
            needed.setdefault(place, cpio.link(f"/{tool}"))
        return needed

    @cached_property
    def _names(self) -> frozenset[str]:
        """What the base holds already."""
        return frozenset(json.loads(self.part("names")))

    @cached_property
    def _libraries(self) -> Userland:
        return Userland(_from_tar(self.part("libraries")))


def uml_image(context: Context, boot: Boot) -> UmlImage:
    """Return the image, from the cache of ``context`` or made now; ``boot`` compiles the runner in the guest.

    An image that is not what was written is made anew. Raises GuestError when a package is not available or lacks a
    part of the guest, WrongHashError, StorageError, DiskFullError, and what ``boot`` raises.
    """
    pinned = _without_kernel(pins())
    runner = sources()
    code = [inspect.getsource(module) for module in (sys.modules[__name__], cpio, sys.modules[Userland.__module__])]
    key = hashlib.sha256(repr((pinned, sorted(runner.items()), code)).encode()).hexdigest()[:16]
    folder = context.cache.made("guests", f"uml-{key}")
    with context.cache.lock(f"uml-{key}"):
        whole = _whole(folder)
        if not whole:
            if (folder / _SUMS).exists():
                context.ui.warn(f"{folder} is damaged: it is made anew")
            context.ui.step(f"Guest of the lab: {len(pinned.package)} packages of Debian {pinned.suite}")
            parts = _parts(pinned, runner, boot, context)
            sums = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
            # The sums are written last: if they exist, the others are complete.
            replace_all({folder / name: data for name, data in parts.items()})
            replace_all({folder / _SUMS: json.dumps(sums, indent=2, sort_keys=True).encode()})
            keep_newest(folder.parent, _IMAGES, used=folder)
    return UmlImage(folder, sha256_of(folder / _SUMS))


def _whole(folder: Path) -> bool:
    """Whether ``folder`` holds the files that were written there."""
    try:
        sums = json.loads((folder / _SUMS).read_bytes())
        return "base" in sums and all(sha256_of(folder / name) == digest for name, digest in sums.items())
    except (OSError, ValueError, AttributeError, PatchkitError):
        return False


def _parts(pinned: Pins, runner: Mapping[str, bytes], boot: Boot, context: Context) -> dict[str, bytes]:
    userland = Userland.unpacked(fetched(pinned, context))
    needed = userland.programs(*_PROGRAMS)
    ground = {
        **MERGED,
        **{name: cpio.folder() for name in _FOLDERS},
        **{path: cpio.character_device(*numbers) for path, numbers in _DEVICES.items()},
        "var/run": cpio.link("/run"),
        "usr/local/bin/sh": cpio.link(f"/{_BUSYBOX}"),
        POWEROFF: cpio.regular(_program(_POWEROFF_CODE), executable=True),
        **needed,
        **userland.below(f"{LIBRARIES}tc/"),  # distributions of delays
    }
    own = {f"lab/runner/{name}": cpio.regular(data) for name, data in runner.items()}
    own["lab/compile.py"] = cpio.regular(
        b"import sys\nsys.path.insert(0, '/lab')\nfrom runner import uml_compile\numl_compile.main()\n"
    )
    answer = boot(cpio.archive({**ground, **own, **userland.below(_STDLIB)}), "/lab/compile.py")
    try:
        compiled, extensions = marshal.loads(answer)  # noqa: S302 - written by Debian's Python, and nobody else
    except (ValueError, EOFError, TypeError) as error:
        raise GuestError("the guest's Python did not compile the lab's runner", why=str(error)) from error
    base = {
        **ground,
        **{path: cpio.regular(data) for path, data in compiled.items()},
        **userland.programs(*extensions),
    }
    libraries = {
        path: file
        for path, file in userland.below(LIBRARIES).items()
        if ".so" in path and "/" not in path.removeprefix(LIBRARIES)
    }
    libraries |= userland.programs(*_TOOLS.values())
    optional = {
        name: cpio.archive({path: file for path, file in userland.programs(*programs).items() if path not in base})
        for name, programs in _OPTIONAL.items()
    }
    names = json.dumps(sorted(base)).encode()
    return {"libraries": _to_tar(libraries), "names": names, **optional, "base": cpio.archive(base)}


def _program(code: bytes) -> bytes:
    """Wrap machine ``code`` for x86-64 into the smallest program: see elf(5)."""
    address, header = 0x400000, 64 + 56
    elf = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, address + header, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    size = header + len(code)
    return elf + struct.pack("<IIQQQQQQ", 1, 5, 0, address, address, size, size, 4096) + code


def _to_tar(files: Mapping[str, cpio.InitramfsFile]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, file in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.mode = stat.S_IMODE(file.mode)
            if stat.S_ISLNK(file.mode):
                info.type, info.linkname = tarfile.SYMTYPE, file.data.decode()
                archive.addfile(info)
            else:
                info.size = len(file.data)
                archive.addfile(info, io.BytesIO(file.data))
    return out.getvalue()


def _from_tar(packed: bytes) -> dict[str, cpio.InitramfsFile]:
    files: dict[str, cpio.InitramfsFile] = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            files[member.name] = (
                cpio.InitramfsFile(stat.S_IFREG | member.mode, content.read())
                if content
                else cpio.link(member.linkname)
            )
    return files


def _without_kernel(pinned: Pins) -> Pins:
    """QEMU's kernel is the first package, and of no use here."""
    return pinned.model_copy(update={"package": pinned.package[1:]})

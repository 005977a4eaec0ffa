"""Shared memory in huge pages for guests, in a file system of this process's own; what has none runs the same, slower.

A guest touches some 60 MB, and its kernel copies its initramfs twice: in pages of 4 KiB that is 13,000 page faults of
the host's a trial, a third of the processor time. Which pages the host gives, no guest can see.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

# Numbers of system calls since Linux 5.2, the same on each processor: asm-generic/unistd.h; the rest is linux/mount.h.
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_CLOEXEC, _SET_STRING, _CREATE = 1, 1, 6
_SECONDS = 10.0  # for a child that makes one mount; 0.1 were measured
# In a namespace where an ordinary user may mount; Debian's util-linux, which no Debian is without, has the command.
_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


@lru_cache(maxsize=1)
def folder() -> Path | None:
    """Return the root of a tmpfs in huge pages, which ends with this process; None where the host gives none."""
    descriptor: int | None
    try:
        descriptor = mounted()
    except OSError:
        descriptor = _from_child()
    # By the process's number: those that it starts have other descriptors.
    return None if descriptor is None else Path(f"/proc/{os.getpid()}/fd/{descriptor}")


def mounted() -> int:
    """Mount a tmpfs in huge pages nowhere, and return the descriptor of its root. Raises OSError where that fails."""
    context = _call(_FSOPEN, b"tmpfs", _CLOEXEC)
    try:
        for name, value in ((b"huge", b"within_size"), (b"mode", b"0700")):
            _call(_FSCONFIG, context, _SET_STRING, name, value, 0)
        _call(_FSCONFIG, context, _CREATE, None, None, 0)
        return _call(_FSMOUNT, context, _CLOEXEC, 0)
    finally:
        os.close(context)


def _call(number: int, *arguments: int | bytes | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_long(word) if isinstance(word, int) else ctypes.c_char_p(word) for word in arguments]
    result = libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


def _from_child() -> int | None:
    """Have a child mount it in namespaces of its own, and send the descriptor."""
    ours, its = socket.socketpair()
    with ours, its, suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [*_UNSHARE, sys.executable, "-I", __file__, str(its.fileno())], pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=_SECONDS,
            check=True,
        )  # fmt: skip
        ours.settimeout(_SECONDS)
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
            return descriptor
    return None


def _send(number: int) -> None:
    with socket.socket(fileno=number) as its:
        socket.send_fds(its, [b"."], [mounted()])


if __name__ == "__main__":
    _send(int(sys.argv[1]))

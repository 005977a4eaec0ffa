"""Network namespaces of the kernel's: made, and entered. See network_namespaces(7)."""

from __future__ import annotations

import os

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET, linux/sched.h


class Inside:
    """A context in another namespace: sockets that are made and programs that are started in it belong there."""

    def __init__(self, namespace: int, home: int) -> None:
        self._namespace = namespace
        self._home = home

    def __enter__(self) -> None:
        enter(self._namespace)

    def __exit__(self, *_: object) -> None:
        enter(self._home)


def make() -> None:
    """Make a namespace and go into it. Raises OSError."""
    if hasattr(os, "unshare"):  # since Python 3.12, as in the guest
        os.unshare(_NEW_NETWORK)
    else:
        _libc("unshare", _NEW_NETWORK)


def enter(namespace: int) -> None:
    """Go into the namespace of that descriptor. Raises OSError."""
    if hasattr(os, "setns"):
        os.setns(namespace, _NEW_NETWORK)
    else:
        _libc("setns", namespace, _NEW_NETWORK)


def _libc(name: str, *arguments: int) -> None:
    import ctypes

    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")

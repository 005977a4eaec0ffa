"""A process that has imported patchkit: each start of the command is a fork of it.

Run by :mod:`tests.support.starts.client`, as a script: what a fork has is what Python alone and patchkit bring, and
nothing of pytest. A fork gets the arguments, folder, environment and standard streams of its request, runs
``python -m patchkit`` from its first line on, and ends as any Python program does.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any

_NOT_IMPORTED = ("patchkit.__main__", "patchkit.lab.runner")
_LATE = ("jinja2.sandbox", "rich.progress", "rich.table", "tree_sitter_c", "typer.rich_utils", "unidiff.patch")
"""What commands import while they run. Not git, which is looked for in PATH at its import, and not numpy, which starts
threads: a fork does not have them."""


def serve(listener: socket.socket) -> None:
    """Serve requests on ``listener``; returns in a fork, which is to run the command."""
    import patchkit

    for module in pkgutil.walk_packages(patchkit.__path__, "patchkit."):
        if not module.name.startswith(_NOT_IMPORTED):
            importlib.import_module(module.name)
    for name in _LATE:
        importlib.import_module(name)
    # What is there now is no garbage; looking for it would copy its memory in each fork.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        # Standard input ends with the tests, also where they are killed.
        if 0 in select.select([0, listener.fileno()], [], [])[0]:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork() == 0:
            break
        connection.close()
    listener.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    child = os.fork()
    if child == 0:
        connection.close()
        _become(json.loads(request), streams)
        return
    for stream in streams:
        os.close(stream)
    connection.sendall(b"%d\n" % child)
    _, status, used = os.wait4(child, 0)
    with contextlib.suppress(OSError):  # nobody waits any more
        connection.sendall(b"%d %f\n" % (os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime))
    os._exit(0)


def _become(request: dict[str, Any], streams: Sequence[int]) -> None:
    """Take over what the one who asks would have handed on to a new process."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in streams:
        if stream > 2:
            os.close(stream)
    os.chdir(request["folder"])
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["patchkit", *request["arguments"]]
    # As Python makes them, of what they are now: a terminal's lines are written one by one.
    old = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(
            open(number, "wb" if number else "rb", closefd=False),  # noqa: SIM115 - it stays open
            encoding=stream.encoding,
            errors=stream.errors,
            newline="\n",
            line_buffering=number == 2 or os.isatty(number),
        )
        for number, stream in enumerate(old)
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]


def _end(code: int) -> None:
    """End as Python does, but for taking apart all modules, which would cost as much as the rest of a fork."""
    if threading.active_count() == 1:
        atexit._run_exitfuncs()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            return  # Python has a message and an exit code for that
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        runpy.run_module("patchkit", run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        if isinstance(ending.code, int):
            _end(ending.code & 0xFF)
        raise

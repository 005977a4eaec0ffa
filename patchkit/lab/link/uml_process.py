"""One User-Mode Linux: where its memory lies, how it is started, and what its failures mean."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from patchkit.errors import DiskFullError, LinkError, MachineError, PatchkitError
from patchkit.lab.guest.kernel.obtain import UmlKernel
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.qemu_process import GUEST_TIME
from patchkit.storage import writing

MEMORY = 160
"""MiB of a guest with two peers; what it does not touch, the host does not give."""
ENVIRONMENT = {"LC_ALL": "C"}
"""Of the kernel's process."""
_SHARED = Path("/dev/shm")  # noqa: S108 - UML's own first choice
_ROOM = 64 << 20  # bytes beside a guest's memory
# What the kernel prints when there is too little memory; Python, when there is none for it.
_OUT_OF_MEMORY = re.compile(
    r"out of memory|MemoryError|Cannot allocate memory|Failed to allocate|Initramfs unpacking failed", re.IGNORECASE
)
# What every guest prints at its end, and none that the host did not let start.
_LAST_WORDS = re.compile(r"reboot: |Kernel panic")


class WallTimeError(MachineError):
    """A guest was still computing when its time on the host's clock was over."""


def parameters(memory: int, script: str) -> list[str]:
    """Write the command line of a guest with ``memory`` MiB that runs the Python file ``script``.

    The kernel mixes it into its random numbers: nothing stands here that differs between trials.
    """
    return [
        f"mem={memory}M", "time-travel=inf-cpu", f"time-travel-start={int(GUEST_TIME.timestamp())}000000000",
        "seccomp=auto", "initrd=initrd", "rdinit=/usr/bin/python3.13", "con=null", "con0=null,fd:2", "ssl=null",
        "ssl0=null,fd:1", "norandmaps", "panic=-1", "loglevel=4", "PYTHONHASHSEED=0", "PYTHONHOME=/usr",
        "PATH=/usr/bin", "--", "-I", "-S", "-X", "frozen_modules=on", script,
    ]  # fmt: skip


def boot(
    kernel: UmlKernel, initramfs: Sequence[bytes], script: str, *, wall_limit: float, groups: ProcessGroups,
    memory: int = MEMORY,
) -> bytes:  # fmt: skip
    """Boot ``kernel`` with the archives ``initramfs``, and return what its ``script`` answered; empty if nothing.

    Raises WallTimeError after ``wall_limit`` seconds, LinkError when the host does not let it run, MachineError when it
    ends otherwise than by itself, DiskFullError when there is no room for its memory.
    """
    with tempfile.TemporaryDirectory(prefix="patchkit-uml-", dir=memory_folder(memory)) as name:
        work = Path(name)
        with writing(work), (work / "initrd").open("wb") as out:
            out.writelines(initramfs)
        with (work / "answer").open("wb") as answer, (work / "console").open("wb") as console:
            # It makes the file of its memory in TMPDIR, and a folder of its own in HOME.
            environment = {**ENVIRONMENT, "TMPDIR": name, "HOME": name}
            with _on_one_core():
                process = subprocess.Popen(
                    [str(kernel.program), *parameters(memory, script)], cwd=work, env=environment,
                    stdin=subprocess.DEVNULL, stdout=answer, stderr=console, process_group=0,
                )  # fmt: skip
            groups.add(process.pid)
            try:
                if not _ended(process.pid, wall_limit):
                    raise WallTimeError(f"a guest was still computing after {wall_limit:.0f} s")
                code = process.wait()
            finally:
                with suppress(ProcessLookupError):  # its processes are processes of the host's
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                groups.remove(process.pid)
        answered = (work / "answer").read_bytes()
        if code != 0 or not answered:
            raise _failed(code, (work / "console").read_text(errors="replace"), memory)
        return answered


def _ended(pid: int, seconds: float) -> bool:
    """Wait until the process ``pid`` has ended, for at most ``seconds``. Python's own wait looks every 50 ms."""
    handle = os.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        return bool(poller.poll(seconds * 1000))
    finally:
        os.close(handle)


def memory_folder(memory: int, folders: Sequence[Path] = ()) -> Path:
    """Return the first of ``folders`` where a guest can keep ``memory`` MiB: shared memory, then temporary files.

    Raises DiskFullError when neither has room, LinkError when programs cannot be run from there.
    """
    needed = (memory << 20) + _ROOM
    forbidden = []
    candidates = folders or dict.fromkeys((_SHARED, Path(tempfile.gettempdir())))
    for folder in candidates:
        try:
            status = os.statvfs(folder)
        except OSError:
            continue
        if not os.access(folder, os.W_OK) or status.f_bavail * status.f_frsize < needed:
            continue
        if status.f_flag & os.ST_NOEXEC:
            forbidden.append(folder)
            continue
        return folder
    if forbidden:
        raise LinkError(
            "User-Mode Linux can't keep its memory on this host",
            why=f"programs cannot be run from {forbidden[0]} (mounted noexec)",
            advice="set TMPDIR to a folder without noexec, or --link qemu",
        )
    raise DiskFullError(
        f"no room for the lab's machine: {needed >> 20} MiB",
        why=f"as much is not free in {' or in '.join(map(str, candidates))}",
        advice="set TMPDIR to a folder on a larger disk, or --jobs 1",
    )


_next_core = 0
_choosing = threading.Lock()


@contextmanager
def _on_one_core() -> Iterator[None]:
    """Let what this thread starts run on one core, in turn: a guest's kernel and processes hand over to each other.

    Spread over two cores a guest was half as fast again.
    """
    global _next_core  # noqa: PLW0603
    allowed = os.sched_getaffinity(0)
    with _choosing:
        core = sorted(allowed)[_next_core % len(allowed)]
        _next_core += 1
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _failed(code: int, console: str, memory: int) -> PatchkitError:
    """Say what the last lines of the ``console`` mean."""
    tail = "\n".join(console.splitlines()[-20:])
    if _OUT_OF_MEMORY.search(console):
        return MachineError(
            f"the lab's machine has too little memory: {memory} MiB",
            why=tail,
            advice="programs that are much larger than openvpn have no room in it; otherwise, please report it",
        )
    if code >= 0 and not _LAST_WORDS.search(console):
        return LinkError(
            "User-Mode Linux does not run on this host",
            why=tail,
            advice="--link qemu needs less of the host; containers may forbid both seccomp and ptrace, or limit memory",
        )
    how = f"it was killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return MachineError(f"the lab's machine gave no answer: {how}", why=tail, advice="please report it")

"""One User-Mode Linux: how it is started and ended, and what its failures mean."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from patchkit.errors import LinkError, MachineError, PatchkitError
from patchkit.lab.guest.kernel.obtain import UmlKernel
from patchkit.lab.link import cores
from patchkit.lab.link.guest_process import GUEST_TIME, is_out_of_memory, out_of_memory
from patchkit.lab.link.initrd_files import InitrdFiles
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.uml_memory import memory_folder, no_room
from patchkit.signals import held_off
from patchkit.temporary import temporary

MEMORY = 192
"""MiB of a guest with two peers; what it does not touch, the host does not give."""
ENVIRONMENT = {"LC_ALL": "C"}
"""Of the kernel's process."""
_BUSY = 0.1  # of its time on the host's clock: below it, the host was busy with something else
_LEFT = 1 << 20  # bytes: a file system that has no more is full
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
        "seccomp=on", "initrd=/proc/self/fd/0", "retain_initrd", "rdinit=/usr/bin/python3.13", "con=null",
        "con0=null,fd:2", "ssl=null", "ssl0=null,fd:1", "norandmaps", "panic=-1", "loglevel=4", "PYTHONHASHSEED=0",
        "PYTHONHOME=/usr", "PATH=/usr/bin", "--", "-I", "-S", "-X", "frozen_modules=on", script,
    ]  # fmt: skip


def boot(
    kernel: UmlKernel, initramfs: Sequence[bytes], script: str, *, wall_limit: float, groups: ProcessGroups,
    initrds: InitrdFiles, memory: int = MEMORY,
) -> bytes:  # fmt: skip
    """Boot ``kernel`` with the archives ``initramfs``, in one of ``initrds``; return what its ``script`` answered.

    Raises WallTimeError after ``wall_limit`` seconds, LinkError when the host does not let it run, MachineError when it
    ends abnormally or without an answer, DiskFullError when there is no room for its memory.
    """
    with (
        temporary("uml-", memory_folder(memory)) as work,
        cores.reserved() as core,
        initrds.holding(initramfs) as initrd,
    ):
        code = _run(kernel, work, initrd, parameters(memory, script), core, wall_limit, groups)
        answered, console = (work / "answer").read_bytes(), (work / "console").read_text(errors="replace")
        # A guest's kernel ends a peer for want of memory, and the runner lives to answer.
        if code == 0 and answered and not is_out_of_memory(console):
            return answered
        if code in (-signal.SIGABRT, -signal.SIGBUS) and not _has_room(work):
            raise no_room(memory, [work.parent])
        raise _failed(code, console, memory)


def _run(
    kernel: UmlKernel,
    work: Path,
    initrd: int,
    words: Sequence[str],
    core: int,
    wall_limit: float,
    groups: ProcessGroups,
) -> int:
    """Run the kernel in the folder ``work``, and return its exit code. Raises WallTimeError, MachineError.

    It opens its initramfs by way of stdin, since its command line must be the same wherever that lies.
    """
    # It makes the file of its memory in TMPDIR, and a folder of its own in HOME.
    environment = {**ENVIRONMENT, "TMPDIR": str(work), "HOME": str(work)}
    with (work / "answer").open("wb") as answer, (work / "console").open("wb") as console:
        with cores.bound_to(core), held_off():
            process = subprocess.Popen(
                [str(kernel.program), *words], cwd=work, env=environment,
                stdin=initrd, stdout=answer, stderr=console, process_group=0,
            )  # fmt: skip
            groups.add(process.pid)
        try:
            if not _ended(process, wall_limit):
                used = _cpu_seconds(process.pid)
                if used < _BUSY * wall_limit:
                    raise MachineError(
                        f"the lab's guest had not ended after {wall_limit:.0f} s",
                        why=f"the host let it compute for {used:.0f} s of these",
                        advice="--jobs with fewer at a time, or a host that is less busy",
                    )
                raise WallTimeError(f"it had not ended after {wall_limit:.0f} s of the host's clock")
        finally:
            # Before its leader is collected: the group's number is its own until then.
            with suppress(ProcessLookupError):  # its processes are processes of the host's
                os.killpg(process.pid, signal.SIGKILL)
            groups.remove(process.pid)
            process.wait()
    return process.returncode


def _ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait until ``process`` has ended, for at most ``seconds``. Python's own wait looks every 50 ms."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:  # an older container's profile does not know the call
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        return process.poll() is not None
    try:
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        return bool(poller.poll(seconds * 1000))
    finally:
        os.close(handle)


def _cpu_seconds(group: int) -> float:
    """Sum up the processor time of the processes of ``group`` that are running; see proc_pid_stat(5)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[2]) == group:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _has_room(folder: Path) -> bool:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize > _LEFT


def _failed(code: int, console: str, memory: int) -> PatchkitError:
    """Say what the last lines of the ``console`` mean."""
    tail = "\n".join(console.splitlines()[-20:])
    if is_out_of_memory(console):
        return out_of_memory(memory, tail)
    if code >= 0 and not _LAST_WORDS.search(console):
        return LinkError(
            "User-Mode Linux does not run on this host",
            why=tail,
            advice="--link qemu needs less of the host; containers may forbid both seccomp and ptrace, or limit memory",
        )
    how = f"it was killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return MachineError(f"the lab's guest gave no answer: {how}", why=tail, advice="please report it")

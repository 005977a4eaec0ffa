"""Processes that a test has started, and all that these have started: told from other tests' by their environment."""

from __future__ import annotations

import time
from pathlib import Path


def marked(mark: str) -> list[str]:
    """Return the command lines of running processes with ``mark``, NAME=VALUE, in their environment.

    A process that only waits to be collected has none.
    """
    return list(marked_by_id(mark).values())


def marked_by_id(mark: str) -> dict[int, str]:
    """Return the same by the processes' IDs."""
    command_lines = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                command_lines[int(process.name)] = words
        except OSError:  # it has just ended, or is another user's
            continue
    return command_lines


def wait_until_gone(pid: int) -> None:
    """Wait until nothing but a zombie is left, which another process has to collect."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError(f"{pid} is alive")


def running_in_group(group: int) -> list[int]:
    """Return the IDs of the processes of the process group ``group`` that have not ended."""
    running = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it has just ended
            continue
        if state != "Z" and int(its_group) == group:
            running.append(int(stat.parent.name))
    return running

"""What test_netns.py wants done inside a machine. Python's own library and netns are all there is."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from patchkit.errors import LinkError
from patchkit.lab.link import netns
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.run_output import RunOutput

TOOLS = ("ip", "tc", "nft", "ping")
_WALL = 300.0  # seconds, on the guest's clock


class Say(Protocol):
    def __call__(self, step: str, outcome: Mapping[str, object], parts: Mapping[str, bytes] = ...) -> None: ...


def main(say: Say) -> None:
    orders = json.loads(Path("/lab/orders.json").read_text())
    say("no netem", without_netem())
    say("no root", without_root())
    say("no nft", without("nft"))
    say("no ip and tc", without("ip", "tc"))
    say("old tc", with_old_tc())
    say("check", check())
    for number, ran in enumerate(run(netns.unseeded(orders["loss-20"])), 1):
        say(f"unseeded {number}", ran.outcome, ran.parts)
    say("after unseeded", {"left": left()})
    for name in ("clean", "loss-20"):
        for number, ran in enumerate(run(orders[name]), 1):
            say(f"{name} {number}", ran.outcome, ran.parts)
        say(f"after {name}", {"left": left()})
    side_by_side(say, orders)
    say("stopped", broken(orders["dead"], lambda alive: alive.stop()))
    say("runner killed", broken(orders["dead"], lambda _: os.kill(process_of("runner.host"), signal.SIGKILL)))
    say("too late", broken(orders["dead"], lambda _: None, wall_limit=10.0))


def run(order: Mapping[str, Any], alive: ProcessGroups | None = None, wall_limit: float = _WALL) -> list[RunOutput]:
    base = Path("/lab/materials")
    files = {path.relative_to(base).as_posix(): path.read_bytes() for path in base.rglob("*") if path.is_file()}
    return netns.run(files, order, wall_limit=wall_limit, groups=alive or ProcessGroups())


def without_netem() -> dict[str, object]:
    subprocess.run(["rmmod", "sch_netem"], check=True)
    try:
        return check()
    finally:
        subprocess.run(["insmod", "/modules/sch_netem.ko"], check=True)


def without_root() -> dict[str, object]:
    """The same call by a user who is nobody special."""
    code = "import sys; sys.path.insert(0, '/lab'); import json, steps; print(json.dumps(steps.check()))"
    done = subprocess.run([sys.executable, "-S", "-c", code], user=1000, capture_output=True, text=True, check=False)
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {"stderr": done.stderr}


def without(*tools: str) -> dict[str, object]:
    """With a PATH that has all tools but these."""
    path, folder = os.environ["PATH"], Path("/root/tools")
    folder.mkdir()
    for tool in set(TOOLS) - set(tools):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    os.environ["PATH"] = str(folder)
    try:
        return check()
    finally:
        os.environ["PATH"] = path
        shutil.rmtree(folder)


def with_old_tc() -> dict[str, object]:
    """One that knows no seeds."""
    path, folder = os.environ["PATH"], Path("/root/tools")
    folder.mkdir()
    tc = folder / "tc"
    refusing = 'case "$*" in *seed*) echo "What is seed?" >&2; exit 1; esac'
    tc.write_text(f'#!/usr/bin/busybox sh\n{refusing}\nexec {shutil.which("tc")} "$@"\n')
    tc.chmod(0o755)
    os.environ["PATH"] = f"{folder}:{path}"
    try:
        return check()
    finally:
        os.environ["PATH"] = path
        shutil.rmtree(folder)


def side_by_side(say: Say, orders: Mapping[str, Any]) -> None:
    """Two runs at once, and the namespaces that were there meanwhile."""
    outputs: dict[str, list[RunOutput]] = {}

    def one(name: str) -> None:
        outputs[name] = run(orders[name])

    threads = [threading.Thread(target=one, args=(name,)) for name in ("clean", "loss-20")]
    most: list[str] = []
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, namespaces(), key=len)
        time.sleep(0.1)
    for name, (ran, *_) in outputs.items():
        say(f"beside {name}", ran.outcome, ran.parts)
    say("after side by side", {"left": left(), "namespaces": most})


def broken(
    order: Mapping[str, Any], act: Callable[[ProcessGroups], None], wall_limit: float = _WALL
) -> dict[str, object]:
    """A run to which something is done once its client is at work."""
    alive = ProcessGroups()
    acted = threading.Event()

    def wait_and_act() -> None:
        while not process_of("peers/client"):
            time.sleep(0.1)
        time.sleep(1)
        act(alive)
        acted.set()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    refusal = refused(lambda: len(run(order, alive, wall_limit)))
    thread.join()
    return {**refusal, "acted": acted.is_set()}


def check() -> dict[str, object]:
    return refused(lambda: asdict(netns.check()))


def refused(what: Callable[[], object]) -> dict[str, object]:
    """How an error that a user can meet reads."""
    try:
        return {"returned": what(), "left": left()}
    except LinkError as error:
        return {"what": error.what, "why": error.why, "advice": error.advice, "left": left()}


def left() -> list[str]:
    """What should not be there any more. A process that was killed may take a moment."""
    deadline = time.monotonic() + 5
    while (leftovers := _left()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return leftovers


def _left() -> list[str]:
    mine = {os.getpid(), 1}
    processes = [f"process {words}" for pid, words in processes_by_id().items() if pid not in mine]
    temporary = [str(path) for path in Path("/tmp").iterdir()]  # noqa: S108
    return [f"namespace {name}" for name in namespaces()] + processes + temporary


def namespaces() -> list[str]:
    """The network namespaces that processes are in, or that have a name, without this one's own."""
    names = {path.name for path in Path("/run/netns").iterdir()}
    own = Path("/proc/self/ns/net").readlink()
    for pid in processes_by_id():
        with contextlib.suppress(OSError):  # it has just ended
            names.add(str(Path(f"/proc/{pid}/ns/net").readlink()))
    return sorted(names - {str(own)})


def process_of(word: str) -> int:
    """A process that has this word in its command line, or 0."""
    return max((pid for pid, words in processes_by_id().items() if word in words), default=0)


def processes_by_id() -> dict[int, str]:
    """Command lines; the kernel's own threads have none."""
    command_lines = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:  # it has just ended
            continue
        if words:
            command_lines[int(path.parent.name)] = words.decode(errors="replace").replace("\0", " ").strip()
    return command_lines

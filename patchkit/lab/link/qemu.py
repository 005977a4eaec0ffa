"""The lab's machine: QEMU in virtual time. It boots once for a pair of programs; each trial is a copy of it.

``-icount sleep=off`` makes the number of instructions the clock and skips the time in which nothing runs: a copy that
gets the same order does the same things at the same moments, whatever the host is doing meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Self

from patchkit.cache import Cache, keep_newest
from patchkit.errors import DiskFullError, GuestError, MachineError, PatchkitError
from patchkit.lab.guest import initramfs as cpio
from patchkit.lab.guest.image import Guest
from patchkit.lab.link.processes import Alive, Ran, answers
from patchkit.lab.pki.credentials import GUEST_TIME
from patchkit.lab.runner.machine import COMPLAINT
from patchkit.storage import replace_all, writing

MEMORY = 320  # MiB; with 192 the initramfs has no room to unpack in
_BOOT = 300.0  # seconds of wall time for a boot; 15 to 25 were measured
_ORDER_BYTES, _WISHES_BYTES = 32_768, 64  # fw_cfg files keep the size that they had at boot
_STATES = 8  # that stay in the cache, some 145 MB each
_INSTALL = "on Debian: apt-get install qemu-system-x86"
# Kernel parameters: no work that trials would pay for, and nothing random. Where programs lie at the same addresses
# each time, QEMU translates them once a machine instead of once a process.
_PARAMETERS = (
    "console=ttyS0 panic=-1 mitigations=off audit=0 nowatchdog nokaslr random.trust_cpu=off "
    "random.trust_bootloader=off norandmaps tsc=reliable no_timer_check cryptomgr.notests ipv6.disable=1 "
    "sysrq_always_enabled"
)
# What the kernel, QEMU or Python says where there is too little of it.
_OUT_OF_MEMORY = re.compile(
    r"Initramfs unpacking failed: write error|out of memory|deadlocked on memory|Cannot allocate memory|MemoryError"
    r"|initrd is too large",
    re.IGNORECASE,
)
_DISK_FULL = "No space left on device"
_STACK = re.compile(r"\[ *[\d.]+\] +(\?|[\w.]+\+0x|<|R[A-Z0-9]{2}:|Code:|Call Trace|CPU:|Hardware name|CS:|DR)")


@dataclass(frozen=True)
class Snapshot:
    """A machine that has booted and waits for its order."""

    state: Path
    guest: Guest
    key: str
    """Names all that is in it, in hex."""


@dataclass(frozen=True)
class Said:
    """What a machine left behind that was not copied."""

    answer: bytes
    console: str
    """The last lines."""


@cache
def qemu() -> tuple[str, str]:
    """QEMU's path and version. Raises GuestError."""
    path = shutil.which("qemu-system-x86_64")
    if path is None:
        raise GuestError(
            "there is no QEMU, which the link 'machine' is made of",
            why="qemu-system-x86_64 is not in PATH",
            advice=f"{_INSTALL}; or, as root and where the kernel has netem: --link netns",
        )
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=30)
    found = re.search(r"version (\S+)", said.stdout)
    if found is None:
        raise GuestError(f"{path} does not say which QEMU it is", why=said.stderr or said.stdout, advice=_INSTALL)
    return path, found[1]


def snapshot(
    guest: Guest, files: Mapping[str, bytes], programs: Sequence[str], cache: Cache, alive: Alive | None = None
) -> Snapshot:
    """Boot the guest with ``files`` below ``/lab`` up to where it waits, and keep that state in the cache.

    ``programs`` are those of the files that can be run. Raises GuestError or MachineError.
    """
    _, version = qemu()
    layer = cpio.archive(
        {f"lab/{path}": cpio.regular(data, executable=path in programs) for path, data in files.items()}
    )
    hardware = _hardware(guest)
    parts = (guest.digest, version, hardware, _PARAMETERS, hashlib.sha256(layer).hexdigest())
    key = hashlib.sha256(repr(parts).encode()).hexdigest()
    folder = cache.machines
    made = Snapshot(folder / f"{key[:24]}.state", guest, key)
    with cache.lock(f"machine-{key[:24]}"):
        if not made.state.exists():
            with tempfile.TemporaryDirectory(prefix="boot-", dir=folder) as work:
                _boot(guest, layer, Path(work), alive or Alive())
                with writing(made.state):
                    (Path(work) / "state").replace(made.state)
        keep_newest(folder, _STATES, used=made.state)
    return made


def run(snapshot: Snapshot, order: Mapping[str, object], *, wall_limit: float, alive: Alive | None = None) -> list[Ran]:
    """Let a copy of the machine do an order's trials. ``wall_limit`` is in seconds. Raises MachineError."""
    with tempfile.TemporaryDirectory(prefix="patchkit-trial-") as name:
        work = Path(name)
        _write_order(work, order)
        incoming = ["-incoming", f"exec:cat {shlex.quote(str(snapshot.state))}"]
        with _Process(snapshot.guest, work, incoming, alive or Alive()) as process:
            process.resume(_BOOT)
            process.wait(wall_limit)
        try:
            return answers((work / "answer").read_bytes(), order)
        except ValueError as error:
            raise process.out_of_memory() or MachineError(
                "the lab's machine gave no answer",
                why=f"{error}\n{process.console()}",
                advice="more of it is told by patchkit lab replay; please report it",
            ) from error


def alone(guest: Guest, files: Mapping[str, cpio.File], *, wall_limit: float, alive: Alive | None = None) -> Said:
    """Boot the guest with ``files`` over its own, and let it do what it does until it switches itself off.

    ``/lab/start.py`` is what it runs. Nothing is kept. Raises GuestError or MachineError.
    """
    with tempfile.TemporaryDirectory(prefix="patchkit-alone-") as name:
        work = Path(name)
        with _booting(guest, cpio.archive(files), work, alive or Alive()) as process:
            process.wait(wall_limit)
        said = Said((work / "answer").read_bytes(), process.console())
        if not said.answer and (lack := process.out_of_memory()) is not None:
            raise lack
        return said


def _boot(guest: Guest, layer: bytes, work: Path, alive: Alive) -> None:
    with _booting(guest, layer, work, alive) as process:
        process.until("guest-panicked", _BOOT)
        process.ask("migrate", uri=f"exec:cat > {shlex.quote(str(work / 'state'))}")
        process.migrated(_BOOT)


def _booting(guest: Guest, layer: bytes, work: Path, alive: Alive) -> _Process:
    """A machine that starts from nothing."""
    _write_order(work, {})
    initramfs = work / "initramfs"
    with writing(initramfs), initramfs.open("wb") as out:
        out.write(guest.initramfs.read_bytes())
        out.write(layer)
    return _Process(guest, work, ["-initrd", str(initramfs), "-append", _PARAMETERS], alive)


def _write_order(work: Path, order: Mapping[str, object]) -> None:
    """Two files: what is to be done, and what is wished of it."""
    wishes = order.get("wishes", [])
    data = json.dumps({name: part for name, part in order.items() if name != "wishes"}, sort_keys=True).encode()
    if len(data) > _ORDER_BYTES:
        raise MachineError("the scenario is too long for the lab's machine", why=f"{len(data)} of {_ORDER_BYTES} bytes")
    flags = bytes(wishes) if isinstance(wishes, list) else b""
    files = {"order": data.ljust(_ORDER_BYTES, b"\0"), "wishes": flags.ljust(_WISHES_BYTES, b"\0")}
    replace_all({work / name: content for name, content in files.items()})


def _hardware(guest: Guest) -> list[str]:
    """The machine in QEMU's words: the same for the one that boots and for its copies, in a folder of their own."""
    return [
        "-accel", "tcg", "-icount", "shift=0,sleep=off", "-cpu", "max,-rdrand,-rdseed",
        "-machine", "pc,hpet=off", "-m", str(MEMORY), "-smp", "1", "-seed", "1", "-nodefaults", "-no-user-config",
        "-display", "none", "-no-reboot", "-rtc", f"base={GUEST_TIME:%Y-%m-%dT%H:%M:%S},clock=vm",
        "-chardev", "file,id=console,path=console", "-serial", "chardev:console",
        "-chardev", "file,id=answer,path=answer",
        # With ioeventfd, QEMU's main thread would look at the queues whenever the host lets it, and interrupt
        # the guest at a moment that no clock of the guest decides.
        "-device", "virtio-serial-pci,ioeventfd=off", "-device", "virtserialport,chardev=answer,name=answer",
        "-device", "pvpanic-pci", "-action", "panic=pause",
        "-fw_cfg", "name=opt/patchkit/order,file=order", "-fw_cfg", "name=opt/patchkit/wishes,file=wishes",
        # A copy has no use for a kernel, but the files of fw_cfg are numbered, and -kernel brings one of its own.
        "-kernel", str(guest.kernel),
    ]  # fmt: skip


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    """All three, which are there because they were asked for."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RuntimeError("a process without its pipes")
    return process.stdin, process.stdout, process.stderr


class _Process:
    """One QEMU, with its monitor on stdin and stdout. Leaving the context ends it."""

    def __init__(self, guest: Guest, work: Path, more: Sequence[str], alive: Alive) -> None:
        self._work = work
        self._alive = alive
        self.command = [qemu()[0], *_hardware(guest), "-qmp", "stdio", *more]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self.command,
            cwd=self._work,
            env={**os.environ, "LC_ALL": "C"},  # its words, and those of cat, are looked at
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        self._stdin, self._stdout, self._stderr = _pipes(self._process)
        self._alive.add(self._process.pid)
        try:
            self._read()  # the greeting
            self.ask("qmp_capabilities")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._alive.remove(self._process.pid)
        self._process.wait()
        for pipe in (self._stdin, self._stdout, self._stderr):
            with suppress(BrokenPipeError):
                pipe.close()

    def ask(self, what: str, **arguments: object) -> dict[str, object]:
        """One command of the QEMU machine protocol, and its answer."""
        line = json.dumps({"execute": what, "arguments": arguments}) + "\n"
        try:
            self._stdin.write(line.encode())
            self._stdin.flush()
        except BrokenPipeError:
            raise self._failed("it ended") from None
        while True:
            said = self._read()
            if "return" in said:
                answer = said["return"]
                return answer if isinstance(answer, dict) else {}
            if "error" in said:
                raise self._failed(f"{what}: {said['error']}")

    def resume(self, seconds: float) -> None:
        """Start the copy, once it is whole."""
        self.until("guest-panicked", seconds)
        self.ask("cont")

    def until(self, status: str, seconds: float) -> None:
        """Wait until the machine is in a state. Raises MachineError."""
        self._poll(lambda: self.ask("query-status").get("status") == status, seconds)

    def migrated(self, seconds: float) -> None:
        """Wait until its state is written."""

        def done() -> bool:
            status = self.ask("query-migrate").get("status")
            if status in ("failed", "cancelled"):
                raise self._failed("its state could not be written")
            return status == "completed"

        self._poll(done, seconds)

    def wait(self, seconds: float) -> None:
        """Wait until the machine ends by itself. Raises MachineError."""
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(seconds, give_up)
        timer.start()
        try:
            # Its monitor falls silent at the very moment: asking again and again would cost more than a trial.
            while self._stdout.readline():
                pass
        finally:
            timer.cancel()
        self._process.wait()
        if late.is_set():
            raise self._failed(f"it was still at work after {seconds:.0f} s")

    def console(self) -> str:
        """The last lines that the guest's kernel and runner printed."""
        # What a kernel prints of its stack when it stops would push out the line that tells why.
        return "\n".join([line for line in self._printed() if not _STACK.match(line)][-20:])

    def out_of_memory(self, said: str = "") -> MachineError | None:
        """Whether that is what it died of: by its console, or by what QEMU ``said``."""
        found = next((line for line in [said, *self._printed()] if _OUT_OF_MEMORY.search(line)), None)
        if found is None:
            return None
        return MachineError(
            f"the lab's machine has too little memory: {MEMORY} MiB",
            why=f"{found}\n{self.console()}".strip(),
            advice="programs that are much larger than openvpn have no room in it; otherwise, please report it",
        )

    def _printed(self) -> list[str]:
        path = self._work / "console"
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def _poll(self, reached: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > deadline:
                raise self._failed(f"it was not ready after {seconds:.0f} s")
            time.sleep(0.01)

    def _read(self) -> dict[str, object]:
        line = self._stdout.readline()
        if not line:
            raise self._failed("it ended")
        said = json.loads(line)
        return said if isinstance(said, dict) else {}

    def _failed(self, why: str) -> PatchkitError:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        said = self._stderr.read().decode(errors="replace").strip()
        complaint = next((line for line in self.console().splitlines() if line.startswith(COMPLAINT)), None)
        if complaint is not None:
            return GuestError(complaint.removeprefix(COMPLAINT), why=self.console())
        if _DISK_FULL in said:
            return DiskFullError(
                "no room left for the state of the lab's machine",
                why=f"{said}; nothing was left under a final name",
                advice="free some space, or set PATCHKIT_CACHE to a larger disk",
            )
        return self.out_of_memory(said) or MachineError(
            f"the lab's machine did not work: {why}",
            why="\n".join(filter(None, (said, self.console()))),
            advice="see `patchkit doctor`",
        )

"""One QEMU of the lab: its hardware, how it is started, asked through its monitor, and what its failures mean."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Self

from patchkit.errors import DiskFullError, GuestError, MachineError, PatchkitError
from patchkit.lab.guest.image import Guest
from patchkit.lab.link.guest_process import GUEST_TIME, is_out_of_memory, out_of_memory
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.runner.qemu_guest import COMPLAINT
from patchkit.storage import replace_all, writing

MEMORY = 320  # MiB; with 192 the initramfs has no room to unpack in
BOOT_LIMIT = 300.0
"""Seconds of wall time for a boot; 15 to 25 were measured."""
_ORDER_BYTES, _WISHES_BYTES = 32_768, 64  # fw_cfg files keep the size that they had at boot
_QEMU = "qemu-system-x86_64"
_INSTALL = "on Debian: apt-get install qemu-system-x86"
PARAMETERS = (
    "console=ttyS0 panic=-1 mitigations=off audit=0 nowatchdog nokaslr random.trust_cpu=off "
    "random.trust_bootloader=off norandmaps tsc=reliable no_timer_check cryptomgr.notests ipv6.disable=1 "
    "sysrq_always_enabled"
)
"""The kernel's: no work that trials would pay for, and nothing random. Where programs are at the same addresses each
time, QEMU translates them once a machine instead of once a process."""
_DISK_FULL = "No space left on device"
_STACK = re.compile(r"\[ *[\d.]+\] +(\?|[\w.]+\+0x|<|R[A-Z0-9]{2}:|Code:|Call Trace|CPU:|Hardware name|CS:|DR)")


def has_qemu() -> bool:
    """Return whether QEMU is installed."""
    return shutil.which(_QEMU) is not None


@cache
def installed_qemu() -> tuple[str, str]:
    """Find QEMU, and return its path and version. Raises GuestError when there is none."""
    path = shutil.which(_QEMU)
    if path is None:
        raise GuestError(
            "there is no QEMU, which the link 'qemu' needs",
            why=f"{_QEMU} is not in PATH",
            advice=f"{_INSTALL}; or, as root and where the kernel has netem: --link netns",
        )
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=30)
    version = re.search(r"version (\S+)", done.stdout)
    if version is None:
        raise GuestError(f"{path} does not print its version", why=done.stderr or done.stdout, advice=_INSTALL)
    return path, version[1]


def booting(guest: Guest, layer: bytes, work: Path, groups: ProcessGroups) -> QemuProcess:
    """Prepare a machine that boots ``guest`` with the archive ``layer`` over its own files, in the folder ``work``."""
    write_order(work, {})
    initramfs = work / "initramfs"
    with writing(initramfs), initramfs.open("wb") as out:
        out.write(guest.initramfs.read_bytes())
        out.write(layer)
    return QemuProcess(guest, work, ["-initrd", str(initramfs), "-append", PARAMETERS], groups)


def write_order(work: Path, order: Mapping[str, object]) -> None:
    """Write ``order`` into the folder ``work``, its wishes into a file of their own.

    Raises MachineError when the order is too long.
    """
    wishes = order.get("wishes", [])
    data = json.dumps({name: part for name, part in order.items() if name != "wishes"}, sort_keys=True).encode()
    if len(data) > _ORDER_BYTES:
        raise MachineError("the scenario is too long for the lab's guest", why=f"{len(data)} of {_ORDER_BYTES} bytes")
    flags = bytes(wishes) if isinstance(wishes, list) else b""
    files = {"order": data.ljust(_ORDER_BYTES, b"\0"), "wishes": flags.ljust(_WISHES_BYTES, b"\0")}
    replace_all({work / name: content for name, content in files.items()})


def hardware(guest: Guest) -> list[str]:
    """List QEMU's options for the machine of ``guest``: the same when it boots and for its copies."""
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
    """Return stdin, stdout and stderr of ``process``, which was started with pipes."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RuntimeError("a process without its pipes")
    return process.stdin, process.stdout, process.stderr


class QemuProcess:
    """One QEMU, with its monitor on stdin and stdout. Leaving the context ends it."""

    def __init__(self, guest: Guest, work: Path, options: Sequence[str], groups: ProcessGroups) -> None:
        self._work = work
        self._groups = groups
        self.command = [installed_qemu()[0], *hardware(guest), "-qmp", "stdio", *options]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self.command,
            cwd=self._work,
            env={**os.environ, "LC_ALL": "C"},  # its messages, and those of cat, are searched
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        self._stdin, self._stdout, self._stderr = _pipes(self._process)
        self._groups.add(self._process.pid)
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
        self._groups.remove(self._process.pid)
        self._process.wait()
        for pipe in (self._stdin, self._stdout, self._stderr):
            with suppress(BrokenPipeError):
                pipe.close()

    def ask(self, command: str, **arguments: object) -> dict[str, object]:
        """Send ``command`` of the QEMU machine protocol, and return its answer. Raises MachineError when it fails."""
        line = json.dumps({"execute": command, "arguments": arguments}) + "\n"
        try:
            self._stdin.write(line.encode())
            self._stdin.flush()
        except BrokenPipeError:
            raise self._failed("it ended") from None
        while True:
            message = self._read()
            if "return" in message:
                answer = message["return"]
                return answer if isinstance(answer, dict) else {}
            if "error" in message:
                raise self._failed(f"{command}: {message['error']}")

    def resume(self, seconds: float) -> None:
        """Start the copy when its state is loaded. Raises MachineError when that takes more than ``seconds``."""
        self.until("guest-panicked", seconds)
        self.ask("cont")

    def until(self, status: str, seconds: float) -> None:
        """Wait until the machine's state is ``status``. Raises MachineError when it is not after ``seconds``."""
        self._poll(lambda: self.ask("query-status").get("status") == status, seconds)

    def migrated(self, seconds: float) -> None:
        """Wait until the machine's state is written.

        Raises MachineError when that takes more than ``seconds``, DiskFullError when the state does not fit.
        """

        def done() -> bool:
            status = self.ask("query-migrate").get("status")
            if status in ("failed", "cancelled"):
                raise self._failed("its state could not be written")
            return status == "completed"

        self._poll(done, seconds)

    def wait(self, seconds: float) -> None:
        """Wait until the machine ends by itself. Raises MachineError when it has not after ``seconds``."""
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(seconds, give_up)
        timer.start()
        try:
            # Its monitor is closed at that moment: polling would cost more than a trial.
            while self._stdout.readline():
                pass
        finally:
            timer.cancel()
        self._process.wait()
        if late.is_set():
            raise self._failed(f"it was still running after {seconds:.0f} s")

    def console(self) -> str:
        """Return the last lines that the guest's kernel and runner printed."""
        # What a kernel prints of its stack when it stops would push out the line with the reason.
        return "\n".join([line for line in self._printed() if not _STACK.match(line)][-20:])

    def out_of_memory(self, stderr: str = "") -> MachineError | None:
        """Look on the console and in QEMU's ``stderr`` for a lack of memory; None when there is no sign of it."""
        complaint = next(filter(is_out_of_memory, [stderr, *self._printed()]), None)
        return None if complaint is None else out_of_memory(MEMORY, f"{complaint}\n{self.console()}".strip())

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
        message = json.loads(line)
        return message if isinstance(message, dict) else {}

    def _failed(self, why: str) -> PatchkitError:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        stderr = self._stderr.read().decode(errors="replace").strip()
        complaint = next((line for line in self.console().splitlines() if line.startswith(COMPLAINT)), None)
        if complaint is not None:
            return GuestError(complaint.removeprefix(COMPLAINT), why=self.console())
        if _DISK_FULL in stderr:
            return DiskFullError(
                "no room left for the state of the lab's guest",
                why=f"{stderr}; nothing was left under a final name",
                advice="free some space, or set PATCHKIT_CACHE to a larger disk",
            )
        return self.out_of_memory(stderr) or MachineError(
            f"the lab's guest did not work: {why}",
            why="\n".join(filter(None, (stderr, self.console()))),
            advice="see `patchkit doctor`",
        )

"""A machine that cannot be made, or not of these programs: what the error says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.errors import DiskFullError, GuestError, MachineError
from patchkit.lab.guest import initramfs
from patchkit.lab.guest.image import Guest
from patchkit.lab.link import qemu, qemu_process
from tests.conftest import PINNED, Run
from tests.support.lab.alone import alone

PEERS = ("peers/client", "peers/server")
TRUE = Path(str(shutil.which("true"))).read_bytes()

STARTS = b"#!/usr/bin/busybox sh\necho OpenVPN 2.6.14\n"


def foreign() -> bytes:
    """For a machine that this one is not: byte 18 of an ELF file."""
    return TRUE[:18] + b"\xb7" + TRUE[19:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "words"),
    [
        (TRUE.replace(b"libc.so.6\0", b"libx.so.6\0"), "libx.so.6: cannot open shared object file"),
        (foreign(), "Exec format error"),
    ],
    ids=["a library is missing", "another architecture"],
)
def test_a_program_that_does_not_start(the_guest: Guest, cache: Cache, program: bytes, words: str) -> None:
    """The client's; the server's is not asked any more."""
    with pytest.raises(GuestError, match=r"^the client's program does not start in the guest: ") as refusal:
        qemu.snapshot(the_guest, dict.fromkeys(PEERS, program), PEERS, cache)
    assert GuestError.exit_code == 61
    assert words in refusal.value.what
    assert list(cache.machines.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "words"),
    [
        (48, "initrd is too large"),  # QEMU
        (192, "Initramfs unpacking failed: write error"),  # the kernel, as it unpacks
    ],
)
def test_a_machine_with_too_little_memory(
    the_guest: Guest, cache: Cache, monkeypatch: pytest.MonkeyPatch, size: int, words: str
) -> None:
    monkeypatch.setattr(qemu_process, "MEMORY", size)
    with pytest.raises(MachineError, match=f"^the lab's guest has too little memory: {size} MiB$") as refusal:
        qemu.snapshot(the_guest, dict.fromkeys(PEERS, TRUE), PEERS, cache)
    assert words in refusal.value.why
    assert list(cache.machines.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_disk_that_fills_up_while_the_machine_is_kept(the_guest: Guest, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=90m", "tmpfs", str(disk)], check=True)
    try:
        with pytest.raises(DiskFullError, match="state of the lab's guest"):
            qemu.snapshot(the_guest, dict.fromkeys(PEERS, STARTS), PEERS, Cache(disk))
        assert list((disk / "machines").iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_memory_that_runs_out_later(the_guest: Guest) -> None:
    """As a trial would use it up: the kernel kills what has most of it, and says so."""
    greedy = b"held = bytearray(b'x') * (1 << 30)\n"
    with pytest.raises(MachineError, match="too little memory"):
        alone(the_guest, {"lab/start.py": initramfs.regular(greedy)}, wall_limit=300)


def test_without_qemu_nothing_is_built(patchkit: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = patchkit(
        *("lab", "run", "--link", "qemu", "--version", PINNED, "--engine", "host"),
        env={"PATH": str(tmp_path / "empty"), "PATCHKIT_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == GuestError.exit_code == 61, done.stderr
    stderr = " ".join(done.stderr.split())
    assert "qemu-system-x86_64 is not in PATH" in stderr
    assert "apt-get install qemu-system-x86;" in stderr
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "report").exists()

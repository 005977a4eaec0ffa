"""The real kernel, compiled: it boots, its clock stands still, a system call has its price, and runs are alike."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from patchkit.lab.guest import initramfs
from patchkit.lab.guest.kernel import changes, given
from patchkit.lab.guest.kernel.obtain import UmlKernel

pytestmark = pytest.mark.slow

# The first process of a guest, linked statically: what it finds, in lines.
INIT = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
    struct timespec t;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
    unsigned char random[16];
    long long begin, end;
    volatile long sum = 0;
    int n, file;

    mkdir("/dev", 0755);
    mkdir("/host", 0755);
    printf("devtmpfs %d\n", mount("dev", "/dev", "devtmpfs", 0, 0) ? errno : 0);
    printf("hostfs %d\n", mount("host", "/host", "hostfs", 0, "/") ? errno : 0);
    printf("network namespace %d\n", unshare(CLONE_NEWNET) ? errno : 0);
    printf("packet socket %d\n", socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0);
    printf("tun %d\n", open("/dev/net/tun", O_RDWR) < 0 ? errno : 0);
    file = open("/dev/urandom", O_RDONLY);
    n = read(file, random, sizeof random);
    printf("random ");
    for (file = 0; file < n; file++)
        printf("%02x", random[file]);
    begin = now();
    for (n = 0; n < 1000; n++)
        syscall(SYS_getppid);
    end = now();
    printf("\ncalls %lld\n", end - begin);
    begin = now();
    for (n = 0; n < 100000000; n++)
        sum += n;
    end = now();
    printf("computing %lld\n", end - begin);
    begin = now();
    sleep(1000);
    end = now();
    printf("sleep %lld\n", (end - begin) / 1000000);
    fflush(stdout);
    reboot(RB_POWER_OFF);
}
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("init")
    (folder / "init.c").write_text(INIT)
    subprocess.run(["gcc", "-static", "-O1", "-o", "init", "init.c"], cwd=folder, check=True)
    files = {"init": initramfs.regular((folder / "init").read_bytes(), executable=True)}
    (folder / "image").write_bytes(initramfs.archive(files))
    return folder / "image"


def boot(kernel: UmlKernel, image: Path, *words: str) -> dict[str, str]:
    """Run a guest; what its first process has found, by name."""
    clock = ("time-travel=inf-cpu", "time-travel-start=1796083200000000000")
    command = [str(kernel.program), "mem=64M", *clock, "seccomp=on", f"initrd={image}", "retain_initrd", "rdinit=/init",
               "con=null", "con0=null,fd:1", "panic=-1", "loglevel=1", *words]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    found = dict(re.findall(r"^([a-z ]+) ([0-9a-f]+)\r?$", done.stdout, re.MULTILINE))
    assert "sleep" in found, done.stdout + done.stderr
    return found


def test_it_is_small_and_says_what_it_is(the_kernel: UmlKernel) -> None:
    assert the_kernel.program.stat().st_size < 20e6
    release, _, syscall_ns = given.described(the_kernel.program)
    assert release.split()[0] == the_kernel.release.split()[0]
    assert syscall_ns == the_kernel.syscall_ns == changes.SYSCALL_NS


def test_a_guest_has_what_the_lab_needs_and_nothing_of_the_hosts(the_kernel: UmlKernel, image: Path) -> None:
    found = boot(the_kernel, image)
    for name in ("devtmpfs", "network namespace", "packet socket", "tun"):
        assert found[name] == "0", name
    assert found["hostfs"] == "19"  # ENODEV: there is no such file system


def test_its_clock_stands_still_but_for_calls_and_waits(the_kernel: UmlKernel, image: Path) -> None:
    began = time.monotonic()
    found = boot(the_kernel, image)
    # A thousand calls, and that of clock_gettime which ends them.
    assert int(found["calls"]) == pytest.approx(1001 * changes.SYSCALL_NS, rel=0.01)
    assert int(found["computing"]) <= 2 * changes.SYSCALL_NS
    assert int(found["sleep"]) == pytest.approx(1_000_000, rel=0.001)  # ms
    assert time.monotonic() - began < 100


def test_two_runs_are_alike(the_kernel: UmlKernel, image: Path) -> None:
    assert boot(the_kernel, image) == boot(the_kernel, image)

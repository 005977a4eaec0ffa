"""User-Mode Linux: what a guest is told, what it can't be told, and what becomes of one that does not answer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.errors import DiskFullError, GuestError, LinkError, MachineError
from patchkit.jobs.lab.links import materials
from patchkit.lab.link import uml, uml_memory, uml_process
from patchkit.lab.link.binaries import Binary
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.run_output import RunOutput
from patchkit.lab.link.runner_order import Turn, order
from patchkit.lab.model.scenario import Scenario, built_in
from patchkit.lab.observe.trial_from_run import observed
from patchkit.releases.version import Version
from tests.conftest import PINNED
from tests.support.processes import marked, marked_by_id, running_in_group

TRUE = Path(str(shutil.which("true"))).read_bytes()
VERSION = Version.parse(PINNED)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")


@pytest.fixture(scope="module")
def peers(uml_machine: uml.Machine, programs: Mapping[str, Binary], shared_cache: Cache) -> bytes:
    files = materials(programs["stock"], programs["stock"], "leaf-ec", shared_cache)
    return uml.packed_peers(uml_machine, files, ProcessGroups())


def trial(machine: uml.Machine, peers: bytes, scenario: Scenario, turn: Turn, groups: ProcessGroups) -> RunOutput:
    runner_order = order(scenario, VERSION, VERSION, [turn])
    (output,) = uml.run(machine, peers, runner_order, wall_limit=200, groups=groups)
    return output


@pytest.mark.slow
def test_a_trial_is_the_same_whatever_is_kept_of_it(uml_machine: uml.Machine, peers: bytes) -> None:
    scenario, groups = built_in()["loss-20"], ProcessGroups()
    plain = trial(uml_machine, peers, scenario, Turn(7), groups)
    loud = trial(uml_machine, peers, scenario, Turn(7, keep_logs=True, keep_frames=True), groups)
    assert plain.outcome["outcome"] == "completed"
    assert set(plain.parts) == {"packets"}
    assert set(loud.parts) == {"packets", "frames", "client.log", "server.log"}
    assert (loud.outcome, loud.parts["packets"]) == (plain.outcome, plain.parts["packets"])
    other = trial(uml_machine, peers, scenario, Turn(8), groups)
    assert other.parts["packets"] != plain.parts["packets"]
    assert plain.outcome["cpu"] == {}  # a clock that stands still measures none


@pytest.mark.slow
def test_over_tcp_segments_are_counted(uml_machine: uml.Machine, peers: bytes) -> None:
    scenario = built_in()["loss-20"].model_copy(update={"proto": "tcp"})
    output = trial(uml_machine, peers, scenario, Turn(7, keep_logs=True), ProcessGroups())
    seen = observed("a cell", 1, 7, scenario, output.outcome, output.parts)
    assert seen.outcome == "completed", seen.detail
    assert b"Attempting to establish TCP connection" in output.parts["client.log"]
    for carried in seen.traffic.values():
        assert set(carried.opcodes) == {"TCP", "TCP_ACK"}
        assert carried.dropped > 0
        assert carried.control_bytes > 32 * (carried.control + carried.acks)  # TCP's header, with time stamps


@pytest.mark.slow
def test_scenarios_that_need_more_programs(uml_machine: uml.Machine, peers: bytes) -> None:
    ruled = trial(uml_machine, peers, built_in()["lose-5th-packet"], Turn(1), ProcessGroups())
    counters = json.loads(str(ruled.outcome["counters"]))["nftables"]
    dropped = {entry["counter"]["name"]: entry["counter"]["packets"] for entry in counters if "counter" in entry}
    assert dropped == {"ruled_down": 1, "ruled_up": 0}
    soak = built_in()["soak-15"].model_copy(update={"duration_s": 90})
    watched = trial(uml_machine, peers, soak, Turn(1), ProcessGroups())
    pings = watched.outcome["pings"]
    assert isinstance(pings, dict)
    assert 30 < pings["answered"] < pings["sent"] == 90


@pytest.mark.slow
def test_as_a_user_without_rights(uml_machine: uml.Machine, tmp_path: Path) -> None:
    """The kernel's program, started by nobody in a folder of its own, gets as far as the guest's Python."""
    if os.geteuid() != 0:
        pytest.skip("is already run by such a user")
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    try:
        shutil.copy(uml_machine.kernel.program, folder / "linux")
        (folder / "initrd").write_bytes(uml_machine.image.base)
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "nobody")
        words = [str(folder / "linux"), *uml_process.parameters(160, "/lab/start.pyc")]
        with (folder / "initrd").open("rb") as initrd:
            done = subprocess.run(
                words, cwd=folder, env={"TMPDIR": str(folder), "HOME": str(folder)}, user="nobody", group="nogroup",
                extra_groups=[], stdin=initrd, capture_output=True, timeout=60, check=False,
            )  # fmt: skip
        assert b"No such file or directory: 'order'" in done.stderr, done.stderr[-2000:]
    finally:
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "words"),
    [
        (TRUE.replace(b"libc.so.6\0", b"libx.so.6\0"), "libx.so.6: cannot open shared object file"),
        (TRUE[:18] + b"\xb7" + TRUE[19:], "Exec format error"),
    ],
    ids=["a library is missing", "another architecture"],
)
def test_a_program_that_does_not_start(uml_machine: uml.Machine, program: bytes, words: str) -> None:
    """The client's; the server's is not asked any more."""
    with pytest.raises(GuestError, match=r"^the client's program does not start in the guest: ") as refusal:
        uml.packed_peers(uml_machine, dict.fromkeys(uml.PROGRAMS, program), ProcessGroups())
    assert words in refusal.value.what


@pytest.mark.slow
def test_a_program_gets_the_tools_that_it_names(uml_machine: uml.Machine) -> None:
    """Releases before 2.5 run /sbin/ip; a trial of theirs is in tests that need upstream's history."""

    def layer(tools: bytes) -> bytes:
        return uml_machine.image.peers(dict.fromkeys(uml.PROGRAMS, TRUE + b"\0" + tools), uml.PROGRAMS)

    for name in (b"usr/sbin/ip\0", b"usr/sbin/route\0", b"usr/bin/ifconfig\0", b"usr/bin/busybox\0"):
        assert name not in layer(b"")
    assert b"usr/sbin/ip\0" in layer(b"/sbin/ip\0")
    named = layer(b"/sbin/route\0/usr/bin/ifconfig\0")
    assert all(name in named for name in (b"usr/sbin/route\0", b"usr/bin/ifconfig\0", b"usr/bin/busybox\0"))


@pytest.mark.slow
@pytest.mark.parametrize("memory", [24, 40])  # for the files; and for Python
def test_too_little_memory(uml_machine: uml.Machine, memory: int) -> None:
    with pytest.raises(MachineError, match=rf"^the lab's guest has too little memory: {memory} MiB$"):
        uml_process.boot(
            uml_machine.kernel, [uml_machine.image.base], "/lab/start.pyc", wall_limit=60, groups=ProcessGroups(),
            initrds=uml_machine.initrds, memory=memory,
        )  # fmt: skip


STRICT = """
#include <errno.h>
#include <stddef.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
int main(int count, char **words)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ptrace, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_seccomp, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {5, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, 2, &program);
    return count < 2 || execv(words[1], words + 1);
}
"""


@pytest.mark.slow
def test_a_container_that_forbids_seccomp_and_ptrace(uml_machine: uml.Machine, tmp_path: Path) -> None:
    (tmp_path / "strict.c").write_text(STRICT)
    subprocess.run(["cc", "-o", "strict", "strict.c"], cwd=tmp_path, check=True)
    strict = tmp_path / "linux"
    strict.write_text(f'#!/bin/sh\nexec {tmp_path}/strict {uml_machine.kernel.program} "$@"\n')
    strict.chmod(0o755)
    kernel = replace(uml_machine.kernel, program=strict)
    with pytest.raises(LinkError, match="does not run on this host") as refusal:
        uml_process.boot(
            kernel, [uml_machine.image.base], "/lab/start.pyc", wall_limit=60, groups=ProcessGroups(),
            initrds=uml_machine.initrds,
        )  # fmt: skip
    assert "seccomp" in refusal.value.why
    assert "--link qemu" in refusal.value.advice


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_guest_that_ends_before_its_time(
    uml_machine: uml.Machine, peers: bytes, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = f"{os.getpid()}-{how}"
    groups = ProcessGroups()
    day = built_in()["soak-day"]
    result: list[BaseException] = []

    def run() -> None:
        try:
            trial(uml_machine, peers, day, Turn(1), groups)
        except MachineError as error:
            result.append(error)

    monkeypatch.setattr(uml_process, "ENVIRONMENT", {"PATCHKIT_TESTS_MARK": mark})
    thread = threading.Thread(target=run)
    thread.start()
    wanted = f"PATCHKIT_TESTS_MARK={mark}"
    deadline = time.monotonic() + 60
    while not marked(wanted) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)  # it has processes of its own by then
    (kernel,) = marked_by_id(wanted)
    if how == "stopped":
        groups.stop()
    else:
        os.kill(kernel, signal.SIGKILL)
    thread.join(60)
    assert len(result) == 1
    assert "gave no answer" in str(result[0])
    deadline = time.monotonic() + 10
    while running_in_group(kernel) and time.monotonic() < deadline:  # what was killed takes a moment
        time.sleep(0.05)
    assert running_in_group(kernel) == []


# Where its memory lies.


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", str(request.param), "tmpfs", str(tmp_path)], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@needs_root
@pytest.mark.parametrize("small_disk", ["size=10m", "noexec"], indirect=True)
def test_another_folder_where_shared_memory_is_no_good(
    small_disk: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    assert uml_memory.memory_folder(160, (small_disk, other)) == other


@needs_root
@pytest.mark.parametrize("small_disk", ["noexec"], indirect=True)
def test_no_folder_where_programs_may_run(small_disk: Path) -> None:
    with pytest.raises(LinkError, match="can't keep its memory") as refusal:
        uml_memory.memory_folder(160, (small_disk,))
    assert "mounted noexec" in refusal.value.why


@needs_root
@pytest.mark.parametrize("small_disk", ["size=10m"], indirect=True)
def test_no_room_for_its_memory(small_disk: Path) -> None:
    with pytest.raises(DiskFullError, match=r"^no room for the lab's guest: 224 MiB$"):
        uml_memory.memory_folder(160, (small_disk,))

"""Parts of the runner that need no link: its processes, and what it makes of ping's lines."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from patchkit.lab.link.netns import _perform
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.runner.process import Peer
from patchkit.lab.runner.task import _pings


def peer(script: str, **counted: str) -> Peer:
    return Peer("client", ["sh", "-c", script], cpu_limit=20, counted=counted)


def until_ended(one: Peer) -> None:
    """Wait, and leave it to be reaped."""
    os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT)


def closed(one: Peer) -> None:
    os.close(one.fd)


def test_a_peer_is_read_counted_and_reaped() -> None:
    client = peer("echo started; echo again and again; printf half; sleep 0.05; echo -line; exit 3", again="again")
    while client.read():
        time.sleep(0.01)
    assert client.reap(block=True)
    assert client.status == 3
    assert [line for _, line in client.lines] == [b"started", b"again and again", b"half-line"]
    assert client.counts == {"again": 1}
    assert client.said("half-") is not None
    assert client.said("nothing") is None
    assert client.tail(1) == "half-line"
    assert client.log().splitlines()[0] == b"   0.000000 started"
    assert client.stop()
    closed(client)


def test_a_peer_ends_when_told_to_and_its_last_words_are_kept() -> None:
    client = peer("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done")
    while not client.said("up"):
        client.read()
    assert client.stop()
    assert (client.status, client.lines[-1][1]) == (0, b"bye")
    closed(client)
    killed = peer("sleep 60")
    assert killed.stop(kill=True)
    assert killed.status == -signal.SIGKILL
    closed(killed)


def test_a_peer_that_ends_as_it_is_told_to() -> None:
    """Between the look whether it has ended and the signal: its status and CPU time are not lost."""

    class Ending(Peer):
        def reap(self, *, block: bool = False) -> bool:
            ended = super().reap(block=block)
            if not ended:
                until_ended(self)
            return ended

    client = Ending("client", ["sh", "-c", "exit 7"], cpu_limit=20, counted={})
    assert client.stop()
    assert client.status == 7
    closed(client)


def test_only_answers_count_as_answers() -> None:
    output = b"""PING 10.8.0.1 (10.8.0.1) 56(84) bytes of data.
[1000.5] 64 bytes from 10.8.0.1: icmp_seq=1 ttl=64 time=100 ms
[1001.5] 64 bytes from 10.8.0.1: icmp_seq=2 ttl=64 time=100 ms
[1002.5] From 10.77.1.1 icmp_seq=3 Destination Net Unreachable
[1003.5] From 10.8.0.2 icmp_seq=4 Destination Host Unreachable
[1006.5] 64 bytes from 10.8.0.1: icmp_seq=7 ttl=64 time=100 ms
"""
    summary = _pings(1000 * 10**9, 1010 * 10**9, output, every=1.0)
    assert summary == {"sent": 10, "answered": 3, "gaps": [(1.5, 5.0), (6.5, 3.5)], "seconds": 10.0}


HOST = """
import subprocess, sys, time
with open("left", "w") as file:
    file.write(str(subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid))
print("what went wrong", flush=True)
time.sleep(float(open("order").read()))
sys.exit(1)
"""


@pytest.mark.parametrize(("seconds", "said"), [(0, "what went wrong"), (60, "it was still running after 0 s")])
def test_nothing_outlives_a_runner_on_the_host(tmp_path: Path, seconds: int, said: str) -> None:
    work = tmp_path / "with blanks, and commas"
    (work / "runner").mkdir(parents=True)
    (work / "runner" / "__init__.py").touch()
    (work / "runner" / "host.py").write_text(HOST)
    (work / "order").write_text(str(seconds))
    assert _perform(work, 0.4 if seconds else 30, ProcessGroups()) == said
    left = int((work / "left").read_text())
    state = Path(f"/proc/{left}/stat")
    deadline = time.monotonic() + 5
    while state.exists() and state.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not state.exists() or state.read_text().split()[2] == "Z"

"""The first signal ends the work, wherever Python happens to be when it comes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.support.processes import wait_until_gone

WORK = """
import os, signal, sys, time
from patchkit import signals
signals.install()
{}
try:
    time.sleep(10)
except KeyboardInterrupt:
    sys.exit(7)
"""


@pytest.mark.parametrize(
    "when",
    [
        "import threading; threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()",
        "class Late:\n    def __del__(self):\n        os.kill(os.getpid(), signal.SIGINT); time.sleep(0)\nLate()",
        "class Late:\n    def __del__(self):\n        os.kill(os.getpid(), signal.SIGTERM); time.sleep(0)\nLate()",
    ],
    ids=["at work", "in a finalizer", "SIGTERM in a finalizer"],
)
def test_a_signal_is_never_lost(when: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", WORK.format(when)], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stderr) == (7, "")


def test_what_else_a_finalizer_meets_is_still_said() -> None:
    fault = "class Late:\n    def __del__(self):\n        raise ValueError('x')\nLate(); sys.exit(3)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", WORK.format(fault)], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 3
    assert "ValueError: x" in done.stderr


TIDYING = """
import os, signal, subprocess, sys, time
from patchkit import signals
signals._SAME = 0.2
signals.install()
child = subprocess.Popen(["sleep", "64"], start_new_session=True, stdout=subprocess.DEVNULL)
signals.GROUPS.add(child.pid)
try:
    print(child.pid, flush=True)
    time.sleep(30)
finally:
    print("tidying", flush=True)
    time.sleep(30)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_tidying_up_and_the_children(number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-c", TIDYING], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.send_signal(number)
        assert process.stdout.readline() == "tidying\n"
        process.send_signal(number)  # the same press of a key, passed on twice
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(timeout=10) == 128 + number
    wait_until_gone(child)


HELD_OFF = """
import sys, time
from patchkit import signals
signals._SAME = 0.2
signals.install()
try:
    print("at work", flush=True)
    time.sleep(30)
finally:
    with signals.held_off():
        print("tidying", flush=True)
        time.sleep(0.6)
    time.sleep(0.1)
    print("whole", flush=True)
"""


def test_a_signal_that_came_while_they_were_held_off_stops_no_tidying_up() -> None:
    """It may be the same press of a key, passed on twice, however long the tidying up took."""
    with subprocess.Popen(
        [sys.executable, "-P", "-c", HELD_OFF], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "tidying\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "whole\n"

"""The first signal ends the work, wherever Python happens to be when it comes."""

from __future__ import annotations

import subprocess
import sys

import pytest

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

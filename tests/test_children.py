"""Children end: at their limit, when patchkit is interrupted, and with all that they have started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from patchkit import children
from patchkit.children import Limits
from patchkit.errors import ToolError
from tests.support.processes import marked, wait_until_gone

LONG = Limits(20)


def test_what_a_program_prints_and_how_it_ends() -> None:
    lines: list[str] = []
    done = children.run(["sh", "-c", "echo out; printf '1%%\\r2%%\\n' >&2; exit 3"], LONG, heard=lines.append)
    assert (done.code, done.out, done.err, lines) == (3, "out\n", "1%\r2%", ["1%", "2%"])


def test_a_program_gets_no_stdin_and_no_terminal() -> None:
    done = children.run(["sh", "-c", "cat; (: < /dev/tty) 2>/dev/null || echo none"], LONG)
    assert done.out == "none\n"


@pytest.mark.parametrize(
    ("limits", "script"),
    [
        (Limits(0.3), "while :; do echo x; sleep 0.05; done"),
        (Limits(20, silence=0.3), "sleep 60"),
        (Limits(0.3), "exec >&- 2>&-; sleep 60"),
        (Limits(0.3), "trap '' TERM; while :; do sleep 0.1; done"),
    ],
    ids=["total", "silence", "streams closed", "deaf"],
)
def test_limits(limits: Limits, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_GRACE", 0.3)
    mark = f"PATCHKIT_TEST_MARK={os.getpid()}-{time.monotonic_ns()}"
    began = time.monotonic()
    with pytest.raises(ToolError, match="did not end"):
        children.run(["sh", "-c", f"sleep 61 & {script}"], limits, env=dict([mark.split("=")]))
    assert time.monotonic() - began < 10
    until = time.monotonic() + 5
    while marked(mark) and time.monotonic() < until:  # killed, and perhaps not yet gone
        time.sleep(0.02)
    assert marked(mark) == []


def test_what_a_program_leaves_behind_is_ended() -> None:
    done = children.run(["sh", "-c", "sleep 62 & echo $!"], LONG)
    assert done.code == 0
    wait_until_gone(int(done.out))


INTERRUPTED = """
import sys
from patchkit import children, signals
signals.install()
children.run(["sh", "-c", "trap '' INT TERM; sleep 63 & echo $! >&2; wait; sleep 63"], children.Limits(60),
             heard=lambda line: print(line, flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_all_children(number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        grandchild = int(process.stdout.readline())
        process.send_signal(number)
        process.wait(timeout=20)
    wait_until_gone(grandchild)

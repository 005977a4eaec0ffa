"""What runs can be stopped from anywhere, at any moment."""

from __future__ import annotations

import signal
import subprocess

import pytest

from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.run_output import run_outputs
from patchkit.lab.runner.answer import packed
from patchkit.lab.runner.task import LAST


def sleeper(seconds: int = 60) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", str(seconds)], process_group=0)


def test_all_are_stopped_and_what_begins_later() -> None:
    alive = ProcessGroups()
    first, second, gone = sleeper(), sleeper(), sleeper()
    for process in (first, second, gone):
        alive.add(process.pid)
    alive.remove(gone.pid)
    alive.stop()
    late = sleeper()
    alive.add(late.pid)
    assert [process.wait(5) for process in (first, second, late)] == [-signal.SIGKILL] * 3
    assert gone.poll() is None
    gone.kill()
    gone.wait()


def test_one_that_has_just_ended_does_not_keep_the_others_alive() -> None:
    alive = ProcessGroups()
    ended, other = sleeper(0), sleeper()
    alive.add(ended.pid)
    alive.add(other.pid)
    ended.wait()
    alive.stop()
    assert other.wait(5) == -signal.SIGKILL
    alive.add(ended.pid)


def test_an_answer_for_each_trial() -> None:
    data = packed({"a": 1}, {}) + packed({"a": 2}, {"x": b"y"})
    assert [(output.outcome, output.parts) for output in run_outputs(data, {"wishes": [0, LAST, 0]})] == [
        ({"a": 1}, {}),
        ({"a": 2}, {"x": b"y"}),
    ]
    for wishes in ([LAST], [0, 0, LAST]):
        with pytest.raises(ValueError, match="2 trials were answered"):
            run_outputs(data, {"wishes": wishes})
    with pytest.raises(ValueError, match="0 trials"):
        run_outputs(b"", {"wishes": [LAST]})

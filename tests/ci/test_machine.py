"""What the walks rest on: that a line counts as executed when it was."""

from __future__ import annotations

from pathlib import Path

from tests.support.ci import github, gitlab
from tests.support.ci.machine import Line, Machine


def test_lines_behind_a_failure_were_not_executed(tmp_path: Path) -> None:
    texts = ["[ -e nothing ] || true", "cat <<< text | grep --quiet text", "false | true", "echo not reached"]
    lines = [Line("file", "job", "script", text) for text in texts]
    walked: set[Line] = set()
    machine = Machine.fresh(tmp_path, {}, walked)
    assert not machine.shell("all", lines, {})
    assert walked == set(lines[:2])
    assert machine.shell("the last", lines[3:], {})
    assert walked == {*lines[:2], lines[3]}
    assert [(step.status, step.output) for step in machine.ran] == [(1, ""), (0, "not reached\n")]


def test_which_lines_there_are() -> None:
    def count(lines: set[Line]) -> dict[tuple[str, str], int]:
        return {
            key: sum(key == (line.job, line.part) for line in lines)
            for key in {(line.job, line.part) for line in lines}
        }

    counts = {"build": 3, "build-part": 2, "build-merge": 3, "lab": 3, "part": 2, "merge": 2, "watch": 2}
    before = {(f"patchkit-{job}", "before_script"): 4 for job in counts}
    scripts = {(f"patchkit-{job}", "script"): number for job, number in counts.items()}
    assert count(gitlab.lines()) == {**before, **scripts, ("patchkit-watch", "after_script"): 2}
    assert sum(count(github.lines()).values()) == 34

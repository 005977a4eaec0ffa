"""What an error quotes of a build's log."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit.building.engine.host import HostWorkspace
from patchkit.building.recipe.log import build_log
from patchkit.errors import CompileError
from patchkit.ui import Ui


def quoted(script: str, tmp_path: Path) -> list[str]:
    (tmp_path / "work").mkdir()
    workspace = HostWorkspace(tmp_path / "work")
    with build_log(tmp_path / "log", Ui(quiet=True)) as log, pytest.raises(CompileError) as failure:
        log.run(workspace, ["sh", "-c", script], cwd=".", env={})
    *lines, last = failure.value.why.splitlines()
    assert last == f"whole log: {tmp_path / 'log'}"
    return lines


def test_the_last_lines(tmp_path: Path) -> None:
    assert quoted("seq 100; exit 3", tmp_path) == [str(number) for number in range(86, 101)]


def test_a_compilers_error_that_others_have_printed_over(tmp_path: Path) -> None:
    lines = quoted("echo 'a.c:7:2: error: no such thing'; echo 'a.c:9:2: error: nor that'; seq 100; exit 2", tmp_path)
    assert lines[:3] == ["a.c:7:2: error: no such thing", "a.c:9:2: error: nor that", "1"]
    assert lines[-1] == "100"
    assert len(lines) == 16
    assert "…" in lines


def test_an_error_among_the_last_lines_is_there_once(tmp_path: Path) -> None:
    lines = quoted("seq 20; echo 'a.c:7: fatal error: x.h: No such file'; exit 1", tmp_path)
    assert lines[-1] == "a.c:7: fatal error: x.h: No such file"
    assert len(lines) == 15

"""Standard streams that are full, closed, unbuffered or do not block: all of the output, or an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from patchkit import streams
from patchkit.errors import DiskFullError
from tests.conftest import Run

FULL = Path("/dev/full")
UNBUFFERED = {"PYTHONUNBUFFERED": "1"}


def shell(command: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``patchkit``, as "$@", in a shell that redirects it."""
    return subprocess.run(
        ["sh", "-c", command.replace("patchkit", '"$@"'), "sh", sys.executable, "-P", "-m", "patchkit"],
        env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("env", [{}, UNBUFFERED], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("where", ["> /dev/full", ">&-"])
@pytest.mark.parametrize("command", ["releases --json", "--help"])
def test_stdout_that_takes_no_more(command: str, where: str, env: dict[str, str]) -> None:
    done = shell(f"patchkit {command} {where}", env)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        50,
        "error: standard output does not take all of the output",
    )


def test_unbuffered_output_is_not_cut_short(tmp_path: Path) -> None:
    """A limit on the size of files cuts one write short, as a full disk does."""
    out = tmp_path / "out"
    done = shell(f"ulimit -f 8; trap '' XFSZ; patchkit releases --json > {out}", UNBUFFERED)
    assert done.returncode == 50
    assert 0 < out.stat().st_size <= 8192
    assert "not complete" in done.stderr


def test_a_usage_error_is_json_too(patchkit: Run) -> None:
    done = patchkit("build", "--no-such-option", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["error"], document["exit_code"]) == (2, "BadUsageError", 2)
    assert "--no-such-option" in document["what"]
    assert "Usage: patchkit build" in done.stderr


def test_an_error_that_stdout_does_not_take_keeps_its_exit_code() -> None:
    done = shell("patchkit prove --version 2.99 --json > /dev/full")
    assert done.returncode == 10
    assert "2.99" in done.stderr


@pytest.mark.slow
def test_streams_that_the_caller_has_closed() -> None:
    assert shell("patchkit variants <&-").returncode == 0
    assert shell("patchkit variants 2>&-").returncode == 0
    done = shell("patchkit render --version 2.99 2>/dev/full")
    assert done.returncode == 10


def test_a_pipe_that_does_not_block(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    text = "".join(f"{number}\n" for number in range(20_000))
    out = tmp_path / "out"
    with subprocess.Popen(["sh", "-c", f"sleep 0.1; cat > {out}"], stdin=ours) as reader:
        os.close(ours)
        with os.fdopen(theirs, "w") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            streams.write(text)
            monkeypatch.undo()
        reader.wait(timeout=30)
    assert out.read_text() == text


def test_what_is_lost_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(DiskFullError):
            streams.write("x")
        monkeypatch.undo()  # closing does not fail: the rest goes to nobody

"""``patchkit diagnose`` as its users meet it: what it prints, its exit codes, and the files that it writes."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.diagnosis.samples import AUTH, HEALTHY, PORT_CLOSED, STALL

Coded = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def diagnosed(patchkit: Run) -> Coded:
    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = patchkit("diagnose", *arguments)
        assert done.returncode == code, done.stderr
        return done

    return run


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "server.log"
    path.write_text(STALL)
    return path


def test_a_finding_has_an_exit_code_of_its_own(diagnosed: Coded, log: Path) -> None:
    done = diagnosed(str(log), code=100)
    assert "stall (likely) Außenstelle-7/198.51.100.9:40001" in done.stdout
    assert "the variant `recommended`" in done.stdout
    assert "server.log:3: 2014-05-02 10:11:13 ACK output sequence broken: [9] 5 6 7 8" in done.stdout


def test_nothing_wrong_is_success(diagnosed: Coded, log: Path) -> None:
    log.write_text(HEALTHY)
    assert "nothing wrong was found" in diagnosed(str(log)).stdout


def test_json_has_all_of_it(diagnosed: Coded, log: Path) -> None:
    document = json.loads(diagnosed(str(log), "--json", code=100).stdout)
    assert document["findings"][0]["kind"] == "stall"
    assert document["findings"][0]["evidence"][0]["line"] == 3
    assert document["findings"][0]["advice"]["helps"] is True
    assert document["ends"][0]["side"] == "server"


def test_evidence_beyond_four_lines_is_counted(diagnosed: Coded, log: Path) -> None:
    log.write_text(PORT_CLOSED)
    assert "      and 1 more line\n" in diagnosed(str(log), code=100).stdout


def test_no_patch_will_help_is_said_as_plainly(diagnosed: Coded, log: Path) -> None:
    log.write_text(AUTH)
    assert "patch: No patch will help: " in diagnosed(str(log), code=100).stdout


@pytest.mark.parametrize(("content", "code"), [(b"", 102), (b"hello\n", 102), (bytes(9000), 101)])
def test_what_is_no_log(diagnosed: Coded, log: Path, content: bytes, code: int) -> None:
    log.write_bytes(content)
    done = diagnosed(str(log), "--json", code=code)
    assert json.loads(done.stdout)["exit_code"] == code


def test_a_folder_or_nothing_is_no_log(diagnosed: Coded, tmp_path: Path) -> None:
    diagnosed(str(tmp_path), code=101)
    diagnosed(str(tmp_path / "none"), code=101)
    diagnosed(code=2)


def test_a_truncated_file_is_told(diagnosed: Coded, tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(AUTH.encode() * 40)[:-12])
    assert "the end of a log could not be read" in diagnosed(str(path), code=100).stderr


def test_page_and_anonymised_log_are_written(diagnosed: Coded, log: Path, tmp_path: Path) -> None:
    page, out = tmp_path / "page.html", tmp_path / "anonymous.log"
    diagnosed(str(log), "--html", str(page), "--anonymize", str(out), code=100)
    assert "<svg" in page.read_text()
    assert "Außenstelle" not in out.read_text("utf-8")
    assert "stall (likely)" in diagnosed(str(out), code=100).stdout


def test_where_nothing_can_be_written_is_told_first(diagnosed: Coded, log: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    diagnosed(str(log), "--html", str(tmp_path / "file/page.html"), code=51)
    assert not (tmp_path / "file/page.html").exists()


@pytest.mark.parametrize("option", ["--html", "--anonymize"])
def test_a_log_is_not_overwritten(diagnosed: Coded, log: Path, option: str) -> None:
    other = log.with_name("link.log")
    other.symlink_to(log)
    for out in log, other:
        assert "would overwrite" in diagnosed(str(log), option, str(out), code=2).stderr
    assert log.read_text() == STALL


def test_several_logs_are_not_overwritten(diagnosed: Coded, log: Path) -> None:
    second = log.with_name("client.log")
    second.write_text(HEALTHY)
    diagnosed(str(log), str(second), "--anonymize", str(log.parent), code=2)
    assert (log.read_text(), second.read_text()) == (STALL, HEALTHY)


def test_two_outputs_are_two_files(diagnosed: Coded, log: Path) -> None:
    out = log.with_name("out")
    diagnosed(str(log), "--html", str(out), "--anonymize", str(out), code=2)
    assert not out.exists()


def test_a_log_named_twice_is_read_once(diagnosed: Coded, log: Path) -> None:
    once = diagnosed(str(log), "--json", code=100).stdout
    assert diagnosed(str(log), f"{log.parent}/./{log.name}", "--json", code=100).stdout == once


def test_an_empty_log_is_called_so(diagnosed: Coded, log: Path) -> None:
    log.write_bytes(gzip.compress(b""))
    assert "nothing in it" in diagnosed(str(log), code=102).stderr
    log.write_text("hello\n")
    assert "no line of OpenVPN's" in diagnosed(str(log), code=102).stderr


def test_standard_input(log: Path) -> None:
    command = [str(Path(sys.executable).with_name("patchkit")), "diagnose", "-"]
    done = subprocess.run(command, input=log.read_bytes(), capture_output=True, check=False)
    assert done.returncode == 100
    assert "stall (likely)" in done.stdout.decode()
    closed = subprocess.run(["/bin/sh", "-c", f"{' '.join(command)} <&-"], capture_output=True, text=True, check=False)
    assert closed.returncode == 102  # patchkit opens /dev/null in its place
    assert "Traceback" not in closed.stderr


def test_standard_input_can_be_read_once_only(diagnosed: Coded, log: Path) -> None:
    diagnosed("-", "-", code=2)
    diagnosed("-", "--anonymize", str(log.with_name("out.log")), code=2)

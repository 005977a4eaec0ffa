"""``patchkit matrix`` as its users meet it: tables, documents, exit codes, terminals, and all of upstream's history."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from patchkit.cli.output import refusals
from patchkit.errors import AnchorError
from patchkit.jobs.matrix.job import Row
from patchkit.patching.variants import STOCK, names
from patchkit.releases.catalog import catalog
from tests.conftest import Run
from tests.support.patching.samples import ALLMAN, GNU
from tests.support.source.samples import Repository, folder_of
from tests.support.terminal import on_terminal

GIT = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards
PATH = "src/openvpn/reliable.c"
ONE = ["--variant", "retransmit"]
COMMAND = [sys.executable, "-P", "-m", "patchkit", "matrix"]
whole_history = pytest.mark.skipif(not GIT, reason="PATCHKIT_GIT is not set to a full clone of upstream")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATCHKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.delenv("GIT_DIR", raising=False)


@pytest.fixture(scope="module")
def fine(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Two releases that are fine."""
    repository = Repository(tmp_path_factory.mktemp("git") / "fine")
    repository.commit({"reliable.c": GNU.encode()})
    repository.tag("v2.2.99")
    repository.git("rm", "--quiet", "reliable.c")
    repository.commit({PATH: ALLMAN.encode()})
    repository.tag("v2.9.0")
    return repository


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """One that is fine, one without the anchor, one whose tag has moved."""
    repository = Repository(tmp_path_factory.mktemp("git") / "bad")
    repository.commit({PATH: ALLMAN.encode()})
    repository.tag("v2.9.0")
    repository.commit({PATH: ALLMAN.replace("sequence broken", "is full").encode()})
    repository.tag("v2.8.1")
    repository.tag("v2.8.0")
    repository.commit()
    repository.git("tag", "v2.7.1")
    return repository


def test_help_has_an_example(patchkit: Run) -> None:
    done = patchkit("matrix", "--help")
    assert done.returncode == 0
    assert "Example: patchkit matrix" in done.stdout


def test_a_table(fine: Repository, patchkit: Run) -> None:
    done = patchkit("matrix", "--git", str(fine.path), *ONE)
    assert done.returncode == 0, done.stderr
    headings, old, new = (re.split(r"  +", line) for line in done.stdout.splitlines())
    assert headings == ["release", "retransmit", "retransmit, guarded"]
    assert [old[0], new[0]] == ["2.2.99", "2.9.0"]
    assert all(re.fullmatch(r"exact [0-9a-f]{12}", cell) for cell in old[1:])
    assert all(re.fullmatch(r"superseded [0-9a-f]{12}", cell) for cell in new[1:])
    assert "\033" not in done.stdout + done.stderr
    assert re.search(
        r"2 releases, 4 cells in \d+\.\d s: 2 exact, 2 superseded, 0 not-applicable, 0 refused$", done.stderr.rstrip()
    )


def test_parts_are_all_of_it_together(fine: Repository, patchkit: Run) -> None:
    def rows(*words: str) -> list[dict[str, Any]]:
        done = patchkit("matrix", "--git", str(fine.path), *ONE, "--json", *words)
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert document.get("shard") == ({"of": 3, "parts": [int(words[1][0])]} if words else None)
        return list(document["rows"])

    parts = [rows("--shard", f"{number}/3") for number in (1, 2, 3)]
    assert [len(part) for part in parts] == [1, 1, 0]  # the third has nothing to do, and that is no error
    assert [*parts[0], *parts[1]] == rows()


def test_refusals_name_the_anchor_and_hide_nothing(bad: Repository, patchkit: Run) -> None:
    done = patchkit("matrix", "--git", str(bad.path), *ONE)
    assert done.returncode == 23  # the first that was refused: 2.7.1
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [
        ["2.7.1", "refused"],
        ["2.8.0", "refused"],
        ["2.8.1", "refused"],
        ["2.9.0", "superseded"],
    ]
    assert "error: 2.7.1: the tag v2.7.1 in" in done.stderr
    assert "error: 2.8.1 (retransmit; retransmit, guarded): " in done.stderr
    assert done.stderr.rstrip().endswith("4 refused; 1 that could not be read")
    assert "ACK output sequence broken" in done.stderr
    assert "ids_of(rel, &local)" in done.stderr  # the nearest line
    only = patchkit("matrix", "--git", str(bad.path), *ONE, "--ref", "v2.8.1")
    assert only.returncode == 30


def test_markdown(bad: Repository, patchkit: Run) -> None:
    done = patchkit("matrix", "--git", str(bad.path), *ONE, "--markdown")
    assert done.returncode == 23
    table, _, refused = done.stdout.partition("\n\n")
    lines = table.splitlines()
    assert lines[:2] == ["| release | retransmit | retransmit, guarded |", "| --- | --- | --- |"]
    assert lines[2:4] == ["| 2.7.1 | refused | refused |", "| 2.8.0 | refused | refused |"]
    assert re.fullmatch(r"\| 2\.9\.0 \| superseded [0-9a-f]{12} \| superseded [0-9a-f]{12} \|", lines[5])
    assert refused.startswith("Refused:\n\n- ")
    assert re.search(r"^- 2\.8\.1, retransmit: .*ACK output sequence broken", refused, re.MULTILINE)
    assert re.search(r"^- 2\.7\.1: the tag v2\.7\.1 ", refused, re.MULTILINE)


def test_json(bad: Repository, patchkit: Run) -> None:
    done = patchkit("matrix", "--git", str(bad.path), *ONE, "--json")
    assert done.returncode == 23
    document = json.loads(done.stdout)
    check_document(document)
    assert document["counts"] == {"exact": 0, "superseded": 2, "not-applicable": 0, "refused": 4}
    moved, _, refused, fine = document["rows"]
    assert (moved["error"]["error"], moved["error"]["exit_code"]) == ("TagMovedError", 23)
    assert [cell["error"]["exit_code"] for cell in refused["cells"]] == [30, 30]
    assert "ACK output sequence broken" in refused["cells"][0]["error"]["what"]
    assert fine["cells"][0]["files"] == {PATH: fine["cells"][0]["sha256"]}


def check_document(document: dict[str, Any]) -> None:
    """Every field is there, of its type, and they agree with each other."""
    verdicts = ["exact", "superseded", "not-applicable", "refused"]
    assert list(document) == ["seconds", "counts", "rows"]
    assert document["seconds"] >= 0
    assert list(document["counts"]) == verdicts
    cells = [cell for row in document["rows"] for cell in row["cells"]]
    assert document["counts"] == {name: sum(cell["verdict"] == name for cell in cells) for name in verdicts}
    for row in document["rows"]:
        assert list(row) == ["release", "ref", "series", "origin", "files", "cells", "error"]
        assert re.fullmatch(r"\d+\.\d+", row["series"])
        assert bool(row["cells"]) == (row["error"] is None)
        check_error(row["error"])
        if row["origin"]:
            keys = ["kind", "name", "verified", "epoch", "sha256", "size", "commit", "tree"]
            assert list(row["origin"]) == keys
        for path, blob in row["files"].items():
            assert re.fullmatch(r"(src/openvpn/)?\w+\.[ch]", path)
            assert re.fullmatch(r"[0-9a-f]{40}", blob)
        for cell in row["cells"]:
            assert list(cell) == ["variant", "guard", "verdict", "upstream", "sha256", "files", "pinned", "error"]
            assert cell["upstream"] in ("needed", "superseded", "not-applicable", None)
            assert isinstance(cell["guard"], bool)
            assert isinstance(cell["pinned"], bool)
            applied = cell["verdict"] in ("exact", "superseded")
            assert applied == bool(cell["sha256"]) == bool(cell["files"])
            assert (cell["verdict"] == "refused") == bool(cell["error"])
            assert cell["files"].keys() <= row["files"].keys()
            check_error(cell["error"])


def check_error(error: dict[str, Any] | None) -> None:
    if error is not None:
        assert list(error) == ["error", "exit_code", "what", "why", "advice"]
        assert error["exit_code"] > 0
        assert error["what"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--json", "--markdown"], 2, "exclude"),
        (["--since", "2.3", "--ref", "v2.9.0"], 2, "exclude"),
        (["--source", "mine"], 25, "mine"),
        (["--source", "mine", "--ref", "2.9.0", "--ref", "2.9.1"], 2, "--ref"),
        (["--source", "mine", "--git", "x", "--ref", "2.9.0"], 2, "exclude"),
        (["--git", "{fine}", "--ref", "v2.99.9"], 10, "2.99.9"),
        (["--git", "{fine}", "--since", "99.9"], 10, "99.9"),
        (["--git", "{fine}", "--variant", "retransmitt"], 11, "retransmit"),
        (["--git", "http://127.0.0.1:1/x.git"], 20, "127.0.0.1"),
        (["--git", "http://127.0.0.1:1/x.git", "--offline"], 26, "--offline"),
        (["--git", "nowhere"], 27, "nowhere"),
    ],
)
def test_bad_input(arguments: list[str], code: int, expected: str, fine: Repository, patchkit: Run) -> None:
    done = patchkit("matrix", *(argument.replace("{fine}", str(fine.path)) for argument in arguments))
    assert done.returncode == code, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    if "--json" not in arguments:
        assert done.stdout == ""


@pytest.mark.slow
def test_a_ref_that_no_pin_knows_is_looked_for_where_the_others_are(fine: Repository, patchkit: Run) -> None:
    """``patchkit matrix --ref TAG`` is the answer to a new tag, with no more printed than for all of them."""
    redirect = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{fine.url}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/OpenVPN/openvpn.git",
    }
    everything = patchkit("matrix", *ONE, env=redirect)
    assert everything.returncode == 0, everything.stderr
    single = patchkit("matrix", *ONE, "--ref", "v2.9.0", env=redirect)
    assert single.returncode == 0, single.stderr
    assert single.stdout.splitlines()[1].split() == everything.stdout.splitlines()[2].split()


def test_a_source_by_hand(patchkit: Run, tmp_path: Path) -> None:
    folder_of({PATH: ALLMAN.encode(), "configure.ac": b""}, tmp_path / "mine")
    done = patchkit("matrix", "--source", "mine", "--ref", "2.5.1", *ONE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split()[:2] == ["2.5.1", "exact"]


def test_a_link_is_refused_as_one(patchkit: Run, tmp_path: Path) -> None:
    folder = folder_of({"src/openvpn/real.c": ALLMAN.encode(), "configure.ac": b""}, tmp_path / "mine")
    (folder / PATH).symlink_to("real.c")
    done = patchkit("matrix", "--source", "mine", "--ref", "2.5.1", *ONE)
    assert done.returncode == 25, done.stderr
    assert f"{PATH} is a symbolic link" in done.stderr
    assert done.stdout.splitlines()[1].split()[:2] == ["2.5.1", "refused"]


@pytest.mark.slow
def test_two_runs_at_once_on_one_cache(fine: Repository) -> None:
    runs = [
        subprocess.Popen([*COMMAND, "--git", fine.url, *ONE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    assert sum("git fetch 2 tags" in stderr for _, stderr in outputs) == 1


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(fine: Repository) -> None:
    command = f"'{sys.executable}' -P -m patchkit matrix --git '{fine.path}' | head -n1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command.replace("matrix", "matrix --variant retransmit")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("release ")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_on_a_terminal(bad: Repository, fine: Repository) -> None:
    shown = on_terminal(["matrix", "--git", str(bad.path), *ONE], columns=60).text
    assert "\033[1;31mrefused" in shown
    assert "\033[36msuperseded" in shown
    assert "render and verify" in shown
    assert "\033[32mexact" in on_terminal(["matrix", "--git", str(fine.path), *ONE]).text


@pytest.mark.slow
def test_on_a_narrow_terminal_without_colours(bad: Repository) -> None:
    shown = on_terminal(["matrix", "--git", str(bad.path), *ONE], {"NO_COLOR": "1"}, columns=60).text
    assert not re.findall(r"\033\[[0-9;]*3[0-9][0-9;]*m", shown)
    table = re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", shown)
    lines = [line for line in table.partition("error:")[0].splitlines() if "\r" not in line]
    assert max(map(len, lines)) <= 60
    assert re.search(r"superseded\s+superseded", table)


@whole_history
class TestWholeHistory:
    """All tags, all variants, both forms."""

    @pytest.fixture(autouse=True)
    def _git(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATCHKIT_GIT", str(GIT))

    @pytest.mark.slow
    def test_every_cell_is_exact_and_pinned(self, patchkit: Run) -> None:
        done = patchkit("matrix", "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        check_document(document)
        rows = {row["release"]: row for row in document["rows"]}
        tagged = [release for release in catalog().releases if release.tag]
        for release in tagged:
            row = rows[release.version.text]
            assert {(cell["variant"], cell["guard"]) for cell in row["cells"]} >= {
                (name, guard) for name in names() if name != STOCK for guard in (False, True)
            }
            assert row["origin"]["verified"]
            assert row["error"] is None
            assert release.tag
            assert row["files"].items() >= dict(release.tag.blobs).items()  # variants touch more than the pins name
            for cell in row["cells"]:
                assert cell["pinned"] or cell["verdict"] == "not-applicable"
                assert cell["verdict"] in (cell["upstream"], "exact")
        assert document["counts"]["refused"] == 0
        assert len(tagged) == 147

    @pytest.mark.slow
    def test_it_takes_seconds(self) -> None:
        """The issue's bound, warm on two cores; it says nothing of a machine that is busy with something else."""
        took, others = [], []
        for _ in range(3):
            began, busy, ours = time.monotonic(), busy_seconds(), resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(COMMAND, check=True, capture_output=True)
            took.append(time.monotonic() - began)
            if took[-1] < 5:
                return
            now = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = now.ru_utime + now.ru_stime - ours.ru_utime - ours.ru_stime
            others.append((busy_seconds() - busy - spent) / took[-1])
        if min(others) > 0.3:
            pytest.skip(f"{min(others):.1f} cores are busy with something else: {min(took):.1f} s")
        pytest.fail(f"the whole matrix took {min(took):.1f} s at best")

    @pytest.mark.slow
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
    @pytest.mark.parametrize("moment", [0.0, 0.002, 0.5])
    def test_a_signal_ends_it_and_its_workers(self, number: signal.Signals, moment: float) -> None:
        """To the whole group, as a terminal sends it: when the workers begin, and while they work."""
        with started() as run:
            wait_for_workers(run)
            time.sleep(moment)
            os.killpg(run.pid, number)
            try:
                _, stderr = run.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
                pytest.fail("it hangs")
        assert run.returncode == 130, stderr
        assert stderr.strip().splitlines() == ["error: interrupted", "    nothing half-made was left"]
        assert members(run.pid) == []

    @pytest.mark.slow
    def test_workers_do_not_outlive_a_killed_run(self) -> None:
        with started() as run:
            wait_for_workers(run)
            run.kill()
            run.wait()
            deadline = time.monotonic() + 5
            while members(run.pid) and time.monotonic() < deadline:
                time.sleep(0.05)
            left = members(run.pid)
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        assert left == []


def busy_seconds() -> float:
    """What all cores together have worked, for whomever."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(map(int, (user, nice, system, irq, softirq))) / os.sysconf("SC_CLK_TCK")


def started() -> subprocess.Popen[str]:
    return subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def members(group: int) -> list[int]:
    """The processes of a group that still run."""
    processes = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = status.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue  # it has just ended
        if int(its_group) == group and state != "Z":
            processes.append(int(status.parent.name))
    return processes


def wait_for_workers(run: subprocess.Popen[str]) -> None:
    """Until there are as many forks of the command itself as it has cores."""
    ours = Path(f"/proc/{run.pid}/cmdline")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and run.poll() is None:
        forks = 0
        for pid in members(run.pid):
            try:
                forks += pid != run.pid and Path(f"/proc/{pid}/cmdline").read_bytes() == ours.read_bytes()
            except OSError:
                continue
        if forks >= min(2, len(os.sched_getaffinity(0))):
            return
    pytest.fail(f"no workers came: {run.poll()}")


def test_a_note_of_what_was_refused(bad: Repository, patchkit: Run, tmp_path: Path) -> None:
    """Its first line is an issue's title; a reason that several columns share is there once."""
    done = patchkit("matrix", "--git", str(bad.path), *ONE, "--note", "refused.md")
    assert done.returncode == 23  # the oldest release's reason: a tag that has moved
    title, blank, *lines = (tmp_path / "refused.md").read_text("utf-8").splitlines()
    assert title == "patchkit refuses OpenVPN 2.8.1, 2.8.0, 2.7.1: retransmit"
    assert blank == ""
    assert sum(line.startswith("- **2.8.1 (retransmit; retransmit, guarded)**: ") for line in lines) == 1
    assert any(line.startswith("- **2.7.1**: ") for line in lines)
    assert not any("2.9.0" in line for line in lines)


def test_a_note_only_when_there_is_something_to_note(fine: Repository, patchkit: Run, tmp_path: Path) -> None:
    note = tmp_path / "refused.md"
    note.write_text("of last week")
    done = patchkit("matrix", "--git", str(fine.path), *ONE, "--note", "refused.md")
    assert done.returncode == 0, done.stderr
    assert not note.exists()
    note.write_text("of last week")
    assert patchkit("matrix", "--git", str(tmp_path / "nowhere"), *ONE, "--note", "refused.md").returncode == 27
    assert not note.exists()


def test_a_notes_title_is_short(tmp_path: Path) -> None:
    error = AnchorError("no such anchor")
    rows = [Row(f"2.8_rc{number}", "", "2.8", None, [], error) for number in range(90)]
    assert refusals.note(rows).splitlines()[0] == "patchkit refuses OpenVPN 2.8_rc89, 2.8_rc88, 2.8_rc87 and 87 more"

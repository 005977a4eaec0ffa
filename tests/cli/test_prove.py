"""``patchkit prove`` as its users meet it: table, document, exit codes, both engines, interrupts."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from patchkit.building.engine.protocol import Identity
from patchkit.cache import Cache
from patchkit.cli.prove import prove
from patchkit.jobs.prove import job
from patchkit.jobs.prove.result import Proof
from patchkit.proving.compare import Difference
from patchkit.source.tree.tree import Origin
from patchkit.source.tree.write import place
from tests.conftest import PINNED, Run, upstream
from tests.support.interruption import interrupted
from tests.support.jobs.builds import engine_or_skip, left_overs, run
from tests.support.patching.own_patches import diff_of
from tests.support.patching.samples import GNU

COMMAND = [sys.executable, "-P", "-m", "patchkit", "prove", "--version", PINNED, "--variant", "retransmit"]
SOURCE = "src/openvpn/reliable.c"
NAMED = "reliable_get_buf_output_sequenced"
PROVEN = Proof(
    release="2.9.1", origin=Origin(kind="tarball", name="made up", verified=True, epoch=0), variant="made-up",
    identity=Identity("host", "cc 1", {}), flags=["-O2"], sources=[SOURCE], reached=[], functions=9, same=8,
    changed=[Difference(SOURCE, "named", "changed", 10, 12)], strays=[], exposed=[], guard=True, guard_off=[],
    guard_on=[], renumbered=[Difference(SOURCE, "behind", "changed", 5, 5)],
)  # fmt: skip


Monkey: TypeAlias = pytest.MonkeyPatch
Streams: TypeAlias = pytest.CaptureFixture[str]


def printed(proof: Proof, monkeypatch: Monkey, capsys: Streams, *, as_json: bool = False) -> tuple[int, str, str]:
    """What the command makes of a proof: exit code and both streams."""
    monkeypatch.setattr(job, "prove", lambda *_: proof)
    code = 0
    try:
        inspect.unwrap(prove)(version="2.9.1", variant="made-up", offline=True, as_json=as_json)
    except SystemExit as ending:
        code = int(str(ending.code))
    return code, *capsys.readouterr()


def test_help_has_an_example(patchkit: Run) -> None:
    done = patchkit("prove", "--help")
    assert done.returncode == 0
    assert "Example: patchkit prove" in done.stdout


def test_the_verdict_stands_in_the_last_row(monkeypatch: Monkey, capsys: Streams) -> None:
    code, out, _ = printed(PROVEN, monkeypatch, capsys)
    rows = out.splitlines()
    assert code == 0
    assert rows[1].split("  ")[0] == f"named, {SOURCE}"
    assert "10 → 12 bytes" in rows[1]
    assert "8 other functions" in rows[2]
    assert "behind" in rows[-2]
    assert rows[-1].split() == ["made-up", "on", "2.9.1", "proven"]


STRAY = Difference(SOURCE, "victim", "changed", 7, 8)
DATA = Difference(SOURCE, ".data.table", "added", 0, 8)


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        (replace(PROVEN, changed=[]), "made-up changes no function at all"),
        (replace(PROVEN, strays=[STRAY]), f"victim in {SOURCE} differs and is not named by made-up"),
        (replace(PROVEN, strays=[DATA]), f".data.table in {SOURCE} differs and is not named by made-up"),
        (replace(PROVEN, exposed=["shown"]), "the symbol shown differs"),
        (replace(PROVEN, unexplained=["a.h, line 3"]), "not explained by what made-up names: a.h, line 3"),
        (replace(PROVEN, guard_off=[SOURCE]), f"with the guard off, {SOURCE} is not compiled to what stock is"),
        (replace(PROVEN, guard_on=[SOURCE]), f"with the guard on, {SOURCE} is not compiled to what the patch is"),
    ],
)
def test_what_is_not_proven_ends_with_37_and_says_why(
    proof: Proof, words: str, monkeypatch: Monkey, capsys: Streams
) -> None:
    code, out, err = printed(proof, monkeypatch, capsys)
    assert code == 37
    assert out.splitlines()[-1].endswith("NOT PROVEN")
    assert words in err
    code, out, err = printed(proof, monkeypatch, capsys, as_json=True)
    document = json.loads(out)
    assert (code, document["proven"], document["failures"]) == (37, False, [words])
    assert "8 other functions" in printed(proof, monkeypatch, capsys)[1]


def test_a_stray_has_a_row_that_can_not_be_overlooked(monkeypatch: Monkey, capsys: Streams) -> None:
    _, out, _ = printed(replace(PROVEN, strays=[STRAY, DATA]), monkeypatch, capsys)
    assert "CHANGED, NOT NAMED: 7 → 8 bytes" in out
    assert "ADDED, NOT NAMED: 0 → 8 bytes" in out
    assert "all data" not in out  # one of them is data


def test_structs_that_grow_have_rows_of_their_own(monkeypatch: Monkey, capsys: Streams) -> None:
    grown = replace(PROVEN, structs=["a", "b"], layout=[STRAY, STRAY], inlines=[replace(STRAY, name="max_int")])
    rows = [re.split("  +", row) for row in printed(grown, monkeypatch, capsys)[1].splitlines()]
    assert ["differ by the layout of struct a, b only", "victim"] in rows
    assert ["stock's own inline functions, used where they were not", "max_int"] in rows
    assert rows[-1] == ["made-up on 2.9.1", "proven"]
    out = printed(PROVEN, monkeypatch, capsys)[1]
    assert "layout" not in out
    assert "inline" not in out
    _, out, _ = printed(replace(grown, unexplained=["a.h, line 3: int x;"]), monkeypatch, capsys)
    assert ["a.h, line 3: int x;", "NOT EXPLAINED"] in [re.split("  +", row) for row in out.splitlines()]


def test_a_variant_without_a_guard_says_so(monkeypatch: Monkey, capsys: Streams) -> None:
    _, out, _ = printed(replace(PROVEN, guard=False), monkeypatch, capsys)
    assert "the variant has none" in out
    assert "guard off" not in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--variant", "stock"], 2, "nothing to prove"),
        (["--engine", "abacus"], 2, "abacus"),
        (["--version", "9.9.9"], 10, "9.9.9"),
        (["--target", "windows-amd64"], 12, "no proof for windows-amd64"),
    ],
)
def test_what_can_not_be_proven(arguments: list[str], code: int, words: str, patchkit: Run) -> None:
    done = patchkit("prove", "--version", PINNED, *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


AM = "openvpn_SOURCES = reliable.c\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            ["src/openvpn/new.c", "src/openvpn/Makefile.am"],
            "it brings src/openvpn/new.c and changes src/openvpn/Makefile",
        ),
        (["src/openvpn/new.h"], "it brings src/openvpn/new.h"),
        (["src/openvpn/Makefile.am"], "it changes src/openvpn/Makefile.am"),
    ],
)
def test_a_patch_that_brings_sources_or_changes_the_build_is_refused(
    changes: list[str], words: str, patchkit: Run, tmp_path: Path
) -> None:
    """Of a file that stock does not have, nothing can be compared; and flags would change every file."""
    source = tmp_path / "openvpn"
    (source / "src/openvpn").mkdir(parents=True)
    (source / "src/openvpn/reliable.c").write_text(GNU)
    (source / "src/openvpn/Makefile.am").write_text(AM)
    (source / "configure.ac").write_text("")
    parts = [diff_of(GNU, GNU.replace("  return", "  /* mine */\n  return", 1))]
    for path in changes:
        part = (
            diff_of(AM, AM.replace(".c", ".c new.c"), path) if path.endswith(".am") else diff_of("", "int x;\n", path)
        )
        parts.append(part if path.endswith(".am") else part.replace(b"--- a/%b" % path.encode(), b"--- /dev/null"))
    (tmp_path / "mine.diff").write_bytes(b"".join(parts))
    where = ("--version", "2.6.14", "--source", str(source), "--patch", str(tmp_path / "mine.diff"), "--offline")
    done = patchkit("prove", *where)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert words in done.stderr
    assert "try: patchkit build compiles and tests it" in done.stderr


@pytest.mark.slow
def test_retransmit_is_proven_in_docker(shared_cache: Cache, tmp_path: Path) -> None:
    upstream(PINNED, shared_cache)
    order = ["prove", "--version", PINNED, "--variant", "retransmit", "--engine", engine_or_skip("docker"), "--json"]
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "patchkit", *order],
        env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    document = json.loads(out)
    assert document["proven"] is True
    assert [function["name"] for function in document["changed"]] == [NAMED]
    assert (document["release"], document["variant"], document["sources"]) == (PINNED, "retransmit", [SOURCE])
    assert document["origin"]["verified"] is True
    assert document["identity"]["engine"] == "docker"
    assert document["functions"] == document["same"] + 1 > 50
    assert all(document[name] == [] for name in ("failures", "strays", "exposed", "reached", "guard_off", "guard_on"))
    assert "-O2" in document["flags"]
    assert "-O0" in document["flags_apart"]
    assert left_overs(tmp_path, process.pid) == []


@pytest.mark.slow
def test_two_runs_at_once_and_the_table(shared_cache: Cache, tmp_path: Path) -> None:
    """The second one with a further argument for configure."""
    upstream(PINNED, shared_cache)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    runs = [
        subprocess.Popen(
            [*COMMAND, "--engine", "host", "--verbose", *options],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for options in ([], ["--configure", "--enable-nonsense"])
    ]  # fmt: skip
    for process, passed_on in zip(runs, (False, True), strict=True):
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert out.splitlines()[-1].split() == ["retransmit", "on", PINNED, "proven"]
        assert ("unrecognized options: --enable-nonsense" in err) == passed_on
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_source_by_hand_brings_no_answers(shared_cache: Cache, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    place(upstream(PINNED, shared_cache), mine)
    (mine / "config.cache").write_text("CC=/nowhere/evil\n")
    order = ["prove", "--version", PINNED, "--source", str(mine), "--engine", "host", "--json"]
    document = json.loads(run(*order).stdout)
    assert (document["proven"], document["origin"]["verified"]) == (True, False)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "number"), [("host", signal.SIGINT), ("docker", signal.SIGTERM)])
def test_an_interrupt_leaves_nothing(engine: str, number: int, shared_cache: Cache, tmp_path: Path) -> None:
    engine_or_skip(engine)
    upstream(PINNED, shared_cache)
    before = {path.name for path in shared_cache.logs.iterdir()}
    pid = interrupted([*COMMAND, "--engine", engine, "--verbose"], number, tmp_path)
    assert left_overs(tmp_path, pid) == []
    left = {path.name for path in shared_cache.logs.iterdir()} - before
    assert not [name for name in left if name.startswith("prove-") and name.endswith(f"-{pid}.log")]

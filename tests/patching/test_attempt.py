"""One cell: which verdict follows from what, and which hash stands for several files."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
from pathlib import Path

import pytest

from patchkit.errors import AnchorError, all_errors
from patchkit.patching.attempt import Attempt, MatrixCell, MatrixVerdict, attempt, judge
from patchkit.patching.combination import combination
from patchkit.patching.render import render
from patchkit.patching.variants import UpstreamStatus
from tests.support.patching.samples import ALLMAN, GNU, tree

PATH = "src/openvpn/reliable.c"
FITS = Attempt({PATH: "0" * 64}, pinned=False)
FAILS = Attempt({}, pinned=False, error=AnchorError("not there"))


@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize(("text", "path"), [(GNU, "reliable.c"), (ALLMAN, PATH)])
def test_an_attempt_is_what_render_makes(text: str, path: str, guard: bool) -> None:
    result = attempt("retransmit", guard, {path: text.encode()}, "2.9.0")
    after = render(combination("retransmit"), tree(text, path), "2.9.0", guard=guard).files[path]
    assert result == Attempt({path: hashlib.sha256(after).hexdigest()}, pinned=False)


def test_a_refusal_is_an_answer() -> None:
    result = attempt("retransmit", False, {PATH: ALLMAN.replace("sequence broken", "is full").encode()}, "2.9.0")
    assert isinstance(result.error, AnchorError)
    assert "ACK output sequence broken" in result.error.what
    assert (result.files, result.pinned) == ({}, False)


@pytest.mark.parametrize(
    ("upstream", "tried", "verdict"),
    [
        ("needed", FITS, "exact"),
        (None, FITS, "exact"),
        ("superseded", FITS, "superseded"),
        ("needed", FAILS, "refused"),
        ("superseded", FAILS, "refused"),
        (None, FAILS, "refused"),
        ("not-applicable", None, "not-applicable"),
        ("not-applicable", FAILS, "not-applicable"),
    ],
)
def test_verdicts(upstream: UpstreamStatus | None, tried: Attempt | None, verdict: MatrixVerdict) -> None:
    cell = judge(combination("retransmit"), True, upstream, tried)
    assert (cell.variant, cell.guard, cell.verdict, cell.upstream) == ("retransmit", True, verdict, upstream)
    assert (cell.error is not None) == (verdict == "refused")
    assert (cell.sha256 is not None) == (verdict in ("exact", "superseded"))


def test_one_file_stands_for_itself_and_several_as_sha256sum_has_it(tmp_path: Path) -> None:
    names = ["b.c", "a.h", "b/a.c"]
    (tmp_path / "b").mkdir()
    for name in names:
        (tmp_path / name).write_text(name)
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    command = "sha256sum -- $(printf '%s\\n' a.h b.c b/a.c | LC_ALL=C sort) | sha256sum"
    theirs = subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    cell = MatrixCell("x", False, "exact", "needed", Attempt(digests, pinned=True))
    assert f"{cell.sha256}  -\n" == theirs
    alone = MatrixCell("x", False, "exact", "needed", Attempt({"a.h": digests["a.h"]}, pinned=True))
    assert alone.sha256 == digests["a.h"]


def test_every_error_survives_the_way_from_another_process() -> None:
    for kind in all_errors():
        again = pickle.loads(pickle.dumps(kind("what", why="why", advice="advice")))  # noqa: S301
        assert (type(again), again.what, again.why, again.advice) == (kind, "what", "why", "advice")

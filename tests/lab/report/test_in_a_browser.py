"""Reports in a real browser, on a screen and on a telephone: nothing is cut, and no page scrolls sideways."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from patchkit.diagnosis.diagnose import diagnose
from patchkit.diagnosis.input.files import LogFile
from patchkit.jobs.diagnose.page import html as diagnose_html
from patchkit.jobs.verify.model import Fact, Finding, StepResult, Verification
from patchkit.jobs.verify.report import html as verify_html
from patchkit.lab.report.report import html
from patchkit.lab.results.results import results
from tests.diagnosis.samples import PACKETS, VERDICTS
from tests.support.lab.browser import look
from tests.support.lab.synthetic import TIMING, campaign, crowd, lossy, soak

pytestmark = pytest.mark.slow
LONG = "2.6.14+" + "recommended+cve-2026-84732+" * 4 + "an-arm-of-somebody's-own"


def lab_report() -> str:
    """Return a report with every kind of table and plot, several arms, and names of every length."""
    this = campaign(arms=["2.6.14", "2.6.14+recommended", LONG], scenarios=["loss-20", "soak-15", "crowd"], trials=12)
    trials = []
    for trial in lossy(this):
        more = (
            {"soak": soak()} if "soak" in trial.cell
            else {"crowd": crowd(*(2.5,) * 49, None)} if "crowd" in trial.cell
            else {"detail": "the client's log ends with " + "SIGSEGV" * 20, "outcome": "crash", "seconds": None}
            if trial.trial == 3
            else {}
        )  # fmt: skip
        trials.append(trial.model_copy(update=more))
    return html(this, trials, results(this, trials), TIMING)


def verify_report() -> str:
    fact = Fact(name="recommended, guarded: the file " + "src/openvpn/reliable.c " * 3, value="ab" * 64, good=True)
    finding = Finding(
        error="SignatureError", exit_code=71,
        what="the tarball " + "x" * 120, why="gpg: " + "AB" * 40, advice="fetch it",
    )  # fmt: skip
    step = StepResult(
        name="source", title="The source is upstream's", state="finding", summary="sha256 " + "ab" * 32, seconds=1.25,
        findings=[finding], facts=[fact, Fact(name="tag", value="https://github.com/" + "OpenVPN/" * 12, good=None)],
    )  # fmt: skip
    return verify_html(
        Verification(
            patchkit="1", release="2.6.14", variants=["recommended"], pinned=False, verdict="2.6.14: wrong",
            exit_code=71, checked=["tag"], not_checked=["pin"], steps=[step],
        )
    )  # fmt: skip


def diagnose_report() -> str:
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{kind}{'-of-a-server' * 9}.log" for kind in ("packets", *VERDICTS)]
        for path, text in zip(paths, (PACKETS, *VERDICTS.values()), strict=True):
            path.write_text(text)
        return diagnose_html(diagnose([LogFile(str(path), path) for path in paths]))


@pytest.mark.parametrize("width", [1200, 400])
@pytest.mark.parametrize("page", [lab_report, verify_report, diagnose_report])
def test_nothing_is_cut_and_no_page_scrolls_sideways(page: object, width: int, tmp_path: Path) -> None:
    assert callable(page)
    seen = look(page(), width, tmp_path)
    assert seen.width <= width
    assert (seen.outside, seen.scrolling, seen.cut, seen.slivers) == ([], [], [], [])
    assert bool(seen.lists) == (width == 400)


@pytest.mark.parametrize("width", [1200, 400])
def test_the_words_of_plots_are_as_large_as_small_print(width: int, tmp_path: Path) -> None:
    smallest = look(lab_report(), width, tmp_path).smallest
    assert smallest is not None
    assert smallest >= 10


def test_what_is_cut_is_noticed(tmp_path: Path) -> None:
    """The measure itself: a table that is too wide, one that scrolls in its own box, and a plot that is too small."""
    cells = "".join(f"<td>{'ab' * 32}</td>" for _ in range(4))
    plot = '<svg viewBox="0 0 100 20" width="100"><text x="90" y="15" style="font-size: 9px">outside</text></svg>'
    page = f"<!DOCTYPE html><div style='overflow-x: auto'><table><tr>{cells}</tr></table></div>{plot}"
    seen = look(page, 400, tmp_path)
    assert seen.scrolling
    assert seen.cut == ["text: outside"]
    assert seen.smallest == pytest.approx(9, abs=0.1)
    assert look(f"<!DOCTYPE html><table><tr>{cells}</tr></table>", 400, tmp_path).width > 400

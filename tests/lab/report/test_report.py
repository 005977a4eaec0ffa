"""Reports render, say the same twice, need nothing from elsewhere, and take no name for markup."""

from __future__ import annotations

import shlex
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from patchkit.lab.model.campaign import Campaign
from patchkit.lab.model.trial import Trial
from patchkit.lab.report.report import Timing, html, markdown
from patchkit.lab.results.results import results
from tests.conftest import ROOT
from tests.support.lab.synthetic import TIMING, campaign, lossy, soak, trial

VOID = {"meta", "br", "link", "img", "input", "hr"}
HOSTILE = '_<script>alert(1)</script> "&|`$x_{$ -->\n*b* <img src=//evil>'


class Page(HTMLParser):
    """Fails for tags that do not match; collects what might reach outside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.names: set[str] = set()
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value or "")
            if name.rpartition(":")[2] in {"href", "src", "action", "data", "srcset"}:
                self.references.append(value or "")
            assert not name.startswith("on")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def page(this: Campaign, trials: list[Trial]) -> Page:
    text = html(this, trials, results(this, trials), TIMING)
    parsed = Page(text)
    assert "://" not in text
    assert "@import" not in text
    assert all(reference.startswith("#") for reference in parsed.references)
    assert {reference[1:] for reference in parsed.references} <= set(parsed.ids)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert not parsed.names & {"script", "link", "img", "iframe", "object", "form", "base"}
    return parsed


@pytest.mark.slow
def test_a_whole_report() -> None:
    this = campaign(scenarios=["loss-20", "soak-15"], trials=12)
    trials = lossy(this)
    trials = [
        lossy_trial.model_copy(update={"soak": soak()}) if "soak" in lossy_trial.cell else lossy_trial
        for lossy_trial in trials
    ]
    summary = results(this, trials)
    whole = page(this, trials)
    text = " ".join("".join(whole.text).split())
    for compared in summary.comparisons:
        assert compared.verdict in text
    assert {"caption", "figure", "figcaption", "details", "svg", "main"} <= whole.names
    assert "patchkit lab replay REPORT --cell 2.6.14+retransmit/loss-20/leaf-rsa2048 --trial 12" in text
    assert "120.0 guest seconds a second" in text
    short = markdown(this, summary, TIMING)
    assert all(compared.headline.replace("_", r"\_") in short for compared in summary.comparisons)
    assert short.index(summary.comparisons[0].headline) < short.index("| cell |") < short.index("120.0 guest seconds")
    assert "patchkit lab replay REPORT --cell CELL --trial K" in short
    assert "renegotiations" in short


@pytest.mark.slow
def test_the_same_bytes_twice() -> None:
    this = campaign(trials=12)
    trials = lossy(this)
    summary = results(this, trials)
    assert html(this, trials, summary, TIMING) == html(this, list(reversed(trials)), summary, TIMING)
    assert markdown(this, summary, TIMING) == markdown(this, summary, TIMING)


@pytest.mark.slow
def test_the_same_bytes_in_another_process() -> None:
    program = """if True:
        from hashlib import sha256
        from patchkit.lab.report.report import html
        from patchkit.lab.results.results import results
        from tests.support.lab.synthetic import TIMING, campaign, lossy
        this = campaign(trials=40)
        found = results(this, lossy(this))
        for text in (found.model_dump_json(), html(this, lossy(this), found, TIMING)):
            print(sha256(text.encode()).hexdigest())
    """
    digests = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"}, cwd=ROOT,
            check=True, capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(digests) == 1


@pytest.mark.parametrize(
    "columns",
    [
        ([], []),
        (["void"], [1.0]),
        (["timeout"] * 3, ["timeout"] * 3),
        ([0.0] * 3, [0.0] * 3),
        ([0.5, "crash"], ["hang", 60.0]),
    ],
)
def test_campaigns_that_hardly_show_anything(columns: tuple[list[object], ...]) -> None:
    this = campaign()
    trials = [
        trial(cell.id, number, outcome)  # type: ignore[arg-type]
        for cell, column in zip(this.cells, columns, strict=True)
        for number, outcome in enumerate(column, 1)
    ]
    page(this, trials)
    assert markdown(this, results(this, trials), TIMING)


def test_one_arm_and_no_time() -> None:
    this = campaign(arms=["2.6.14"])
    summary = results(this, lossy(this, 3))
    assert "nothing to compare" in markdown(this, summary, Timing(guest_seconds=0, wall_seconds=0, jobs=1))
    page(this, lossy(this, 3))


def test_many_packets_and_long_names() -> None:
    this = campaign(arms=["2.6.14", "2.6.14+" + "combined" * 20])
    trials = [trial(cell.id, number, 0.4 * number, control=7**number) for cell in this.cells for number in (1, 2, 3)]
    page(this, trials)


@pytest.mark.slow
def test_no_name_becomes_markup() -> None:
    this = campaign(arms=["2.6.14", HOSTILE], trials=3)
    trials = [lossy_trial.model_copy(update={"detail": HOSTILE}) for lossy_trial in lossy(this)]
    hostile = page(this, trials)
    assert "alert(1)" in "".join(hostile.text)
    line = next(text for text in hostile.text if text.startswith("patchkit lab replay") and "alert" in text)
    assert shlex.split(line)[5] == this.cells[1].id
    short = markdown(this, results(this, trials), TIMING)
    assert "<script" not in short
    assert "<img" not in short
    rows = [line for line in short.splitlines() if line.startswith("|") and "alert" in line]
    assert {row.replace(r"\|", "").count("|") for row in rows} == {11, 13}  # columns of the two tables, and one

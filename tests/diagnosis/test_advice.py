"""Advice: every kind has some, and its figures are those of the documents."""

from __future__ import annotations

import re

import pytest

from patchkit.diagnosis.advice import _tables, advice
from patchkit.diagnosis.finding import Kind
from patchkit.diagnosis.incidents import SUMMARIES
from tests.conftest import ROOT

_FIGURES = _tables()["figures"]


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_summary_and_advice(kind: Kind) -> None:
    assert SUMMARIES[kind]
    assert advice(kind, "", "", 0).patch


def test_every_advice_is_of_a_kind() -> None:
    assert _tables()["advice"].keys() == set(Kind)


@pytest.mark.parametrize("series", sorted(_FIGURES.keys() - {"options"}))
def test_figures_are_those_of_the_table_of_measurements(series: str) -> None:
    """The row of the release and its loss has each median."""
    text = _FIGURES[series]
    document = (ROOT / "docs/variants.md").read_text("utf-8").partition("\n## Measured\n")[2]
    release = text.split()[0].rstrip(",")
    lines = document.splitlines()
    first = next(number for number, line in enumerate(lines) if re.match(rf"\| {re.escape(release)}[, ]", line))
    row = next(
        line for line in lines[first:] if "| 20 % |" in line or not lines[first].startswith(f"| {release}, clean")
    )
    for median in re.findall(r"median ([\d.]+) s", text):
        assert re.search(rf"(?<![\d.]){re.escape(median)}(?![\d.])", row), (median, row)


def test_figures_follow_the_series() -> None:
    assert advice(Kind.STALL, "", "2.7.1", 0).figures[0].startswith("2.7.7")
    assert advice(Kind.STALL, "", "2.3.2", 0).figures[0].startswith("2.3.2")
    assert advice(Kind.STALL, "", "2.3.11", 0).figures[0].startswith("2.4.12")
    assert advice(Kind.MTU, "", "2.6.14", 0).figures == []


def test_a_higher_verb_is_not_asked_for_where_it_is_there() -> None:
    assert any("--verb 4" in text for text in advice(Kind.NOT_ENOUGH, "verb", "", 1).instead)
    assert not any("--verb 4" in text for text in advice(Kind.NOT_ENOUGH, "verb", "", 4).instead)

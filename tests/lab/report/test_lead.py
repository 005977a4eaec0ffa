"""A report begins with what was compared and what came out, in plain words."""

from __future__ import annotations

import pytest

from patchkit.lab.model.trial import Trial
from patchkit.lab.report.lead import lead
from patchkit.lab.report.report import markdown
from patchkit.lab.results.results import results
from tests.support.lab.synthetic import TIMING, campaign, lossy, soak, trial

OURS, STOCK = "2.6.14+retransmit", "2.6.14"


def column(cell: str, outcomes: list[float | str]) -> list[Trial]:
    return [trial(cell, number, outcome) for number, outcome in enumerate(outcomes, 1)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stock", "ours", "says"),
    [
        ([9.0] * 40, [1.0] * 40, "its handshakes took less time; no difference was shown in how many completed"),
        ([1.0] * 40, [9.0] * 40, "its handshakes took more time; no difference was shown in how many completed"),
        (["timeout"] * 40, [1.0] * 40, "more of its handshakes completed, and they took less time"),
        ([1.0] * 40, ["timeout"] * 40, "fewer of its handshakes completed, and they took more time"),
        ([1.0] * 40, [1.0] * 40, "no difference was shown, neither in how many handshakes completed nor in their time"),
        (["void"] * 3, [1.0] * 3, "not one pair of trials counted, so nothing can be said"),
    ],
)
def test_one_comparison(stock: list[float | str], ours: list[float | str], says: str) -> None:
    this = campaign(trials=len(stock))
    first, other = this.cells
    found = results(this, column(first.id, stock) + column(other.id, ours))
    sentence = f"{OURS} was compared with {STOCK} on the link loss-20 (20 % lost each way, RTT 100 ms): {says}."
    assert lead(this, found) == sentence
    assert sentence in markdown(this, found, TIMING).splitlines()[2]


def test_a_tunnel() -> None:
    this = campaign(scenarios=["soak-15"], trials=40)
    trials = [
        each.model_copy(update={"soak": soak(outages=0, down_seconds=0.0) if OURS in each.cell else soak()})
        for each in lossy(this)
    ]
    assert lead(this, results(this, trials)).endswith(": its tunnel held more often, and was down for less time.")


def test_several_scenarios_and_arms() -> None:
    this = campaign(arms=[STOCK, OURS, "2.6.14+early"], scenarios=["loss-20", "loss-10", "clean"], trials=30)
    trials = []
    for cell in this.cells:
        slow = 9.0 if (cell.arm, cell.scenario) == (OURS, "loss-10") else 5.0
        slow = 1.0 if (cell.arm, cell.scenario) == (OURS, "loss-20") else slow
        trials += column(cell.id, [slow] * 30)
    assert lead(this, results(this, trials)) == (
        f"{OURS} was compared with {STOCK}: it did better on loss-20; it did worse on loss-10; no difference was shown "
        f"on clean. 2.6.14+early was compared with {STOCK}: no difference was shown on loss-20, loss-10 and clean."
    )


def test_nothing_to_compare() -> None:
    this = campaign(arms=[STOCK])
    said = lead(this, results(this, lossy(this, 3)))
    assert said == f"Only {STOCK} was tried, so there is nothing to compare with the first arm."

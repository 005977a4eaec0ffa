"""Results of campaigns that nobody ran: whole ones, broken ones, and ones that hardly began."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from patchkit.errors import ReportError
from patchkit.lab.model.campaign import Campaign
from patchkit.lab.model.trial import Trial
from patchkit.lab.results.results import Results, results
from tests.support.lab.synthetic import CREDENTIALS, campaign, cell, lossy, references, soak, trial

FIRST, OTHER = "2.6.14", "2.6.14+retransmit"
BOTH = (cell(FIRST).id, cell(OTHER).id)


def outcomes(this: Campaign, *columns: Sequence[object], **more: object) -> list[Trial]:
    """One list of outcomes an arm, in the campaign's order."""
    return [
        trial(campaign_cell.id, number, outcome, **more)  # type: ignore[arg-type]
        for campaign_cell, column in zip(this.cells, columns, strict=True)
        for number, outcome in enumerate(column, 1)
    ]


def test_a_whole_campaign() -> None:
    this = campaign(trials=60)
    summary = results(this, lossy(this))
    first, other = summary.cells
    assert (first.counted, first.completed, first.timeout, first.asked) == (60, 55, 5, 60)
    assert first.rate
    assert first.rate.value == pytest.approx(55 / 60, rel=1e-5)
    assert first.longest is None
    assert other.longest
    assert other.median
    assert first.median
    assert other.median.value < first.median.value
    assert first.reference == f"reference/{CREDENTIALS}"
    assert first.control_packets
    assert first.cost == pytest.approx(first.control_packets / 12, rel=1e-5)  # a reference's trial has 6 each way
    assert first.loss == {"up": 0.2, "down": 0.2}
    (compared,) = summary.comparisons
    assert (compared.pairs, compared.both, compared.only_this, compared.only_first, compared.neither) == (
        60,
        55,
        5,
        0,
        0,
    )
    assert compared.rate_p == 0.0625  # 2 * 0.5**5
    assert compared.time == "better"
    assert compared.completion == "no difference shown"
    assert compared.packets == "more"
    assert summary.tests == 3
    assert compared.verdict.startswith(compared.headline)


def test_the_order_of_trials_does_not_matter_and_reading_gives_the_same() -> None:
    this = campaign(trials=15)
    trials = lossy(this)
    document = results(this, trials).model_dump_json(indent=2)
    mixed = list(trials)
    random.Random(3).shuffle(mixed)  # noqa: S311 - not for secrets
    assert results(this, mixed).model_dump_json(indent=2) == document
    assert Results.model_validate_json(document).model_dump_json(indent=2) == document


def test_no_trials_at_all() -> None:
    summary = results(campaign(), [])
    assert [cell_result.counted for cell_result in summary.cells] == [0, 0]
    nothing = summary.cells[0]
    assert {nothing.rate, nothing.median, nothing.restricted_mean, nothing.cost, nothing.loss["up"]} == {None}
    (compared,) = summary.comparisons
    assert compared.pairs == summary.tests == 0
    assert {compared.rate_difference, compared.rate_p_adjusted, compared.packets_ratio} == {None}
    assert "nothing to compare" in compared.verdict


def test_one_trial_each() -> None:
    this = campaign()
    (compared,) = results(this, outcomes(this, ["timeout"], [1.5])).comparisons
    assert (compared.pairs, compared.only_this) == (1, 1)
    assert compared.time_difference
    assert (compared.time_difference.value, compared.time_difference.low) == (-58.5, None)
    assert compared.completion == compared.time == compared.packets == "no difference shown"
    assert "too few" in compared.verdict


def test_all_void() -> None:
    this = campaign()
    summary = results(this, outcomes(this, ["void"] * 3, ["void"] * 3, detail="no netem"))
    assert [(cell_result.counted, cell_result.void, cell_result.void_reasons) for cell_result in summary.cells] == [
        (0, 3, {"no netem": 3})
    ] * 2
    assert summary.comparisons[0].pairs == 0


def test_a_void_trial_takes_its_partner_along() -> None:
    this = campaign()
    summary = results(this, outcomes(this, [1.0, "void", 3.0], [1.0, 2.0, "void"]))
    assert [cell_result.counted for cell_result in summary.cells] == [2, 2]
    assert summary.comparisons[0].pairs == 1
    assert summary.cells[0].void_reasons == {"no reason given": 1}


def test_nobody_completes() -> None:
    this = campaign(trials=20)
    summary = results(this, outcomes(this, ["timeout"] * 18 + ["crash", "hang"], ["timeout"] * 20))
    first = summary.cells[0]
    assert (first.completed, first.timeout, first.crash, first.hang) == (0, 18, 1, 1)
    assert first.rate
    assert first.rate.high == pytest.approx(0.1684, abs=1e-4)
    assert {first.median, first.p90, first.longest} == {None}
    assert first.restricted_mean
    assert first.restricted_mean.value == 60.0
    (compared,) = summary.comparisons
    assert (compared.neither, compared.completion, compared.time) == (20, "no difference shown", "no difference shown")
    assert compared.detectable_seconds is None


def test_everybody_completes_at_once() -> None:
    this = campaign(trials=20)
    summary = results(this, outcomes(this, [0.0] * 20, [0.0] * 20))
    assert summary.cells[0].median
    assert summary.cells[0].median.value == summary.cells[0].p90 == summary.cells[0].longest == 0.0
    assert summary.comparisons[0].time == summary.comparisons[0].completion == "no difference shown"


def test_a_link_without_chance_still_has_a_verdict() -> None:
    """Every trial alike: the intervals are points, but 20 pairs that all go one way are evidence."""
    this = campaign(trials=20)
    (compared,) = results(this, outcomes(this, ["timeout"] * 20, [0.7] * 20)).comparisons
    assert compared.completion == compared.time == "better"
    (few,) = results(this, outcomes(this, ["timeout"] * 4, [0.7] * 4)).comparisons
    assert few.completion == few.time == "no difference shown"


def test_completion_and_time_may_disagree() -> None:
    """It completes where the other times out, but is slow where the other is quick."""
    this = campaign(trials=60)
    first = ["timeout"] * 20 + [1.0 + number / 100 for number in range(40)]
    other = [59.0 + number / 100 for number in range(20)] + [20.0 + number / 50 for number in range(40)]
    (compared,) = results(this, outcomes(this, first, other)).comparisons
    assert (compared.completion, compared.time) == ("better", "worse")
    assert "better in completion, but worse in time" in compared.headline


def test_one_arm_only() -> None:
    this = campaign(arms=[FIRST])
    summary = results(this, outcomes(this, [1.0, 2.0]))
    assert summary.comparisons == []
    assert summary.tests == 0


def test_an_interrupted_campaign() -> None:
    this = campaign(scenarios=["loss-5", "loss-20"], trials=30)
    columns: list[list[float]] = [[1.0] * 12, [1.0] * 9, [], []]
    summary = results(this, outcomes(this, *columns))
    assert [cell_result.counted for cell_result in summary.cells] == [12, 9, 0, 0]
    assert [comparison.pairs for comparison in summary.comparisons] == [9, 0]
    assert summary.tests == 3  # what was not run is no test
    assert "Only 9 of 30 pairs counted." in summary.comparisons[0].verdict


def test_more_comparisons_ask_for_more() -> None:
    """Six of six pairs are 0.031 alone; among three comparisons they show nothing."""
    column = ["timeout"] * 6
    alone = campaign(trials=6)
    assert results(alone, outcomes(alone, column, [50.0] * 6)).comparisons[0].rate_p == 0.03125
    many = campaign(arms=[FIRST, OTHER, "2.6.14+a", "2.6.14+b"], trials=6)
    summary = results(many, outcomes(many, column, [50.0] * 6, column, column))
    assert summary.tests == 9
    assert summary.comparisons[0].rate_p == 0.03125
    assert summary.comparisons[0].rate_p_adjusted
    assert summary.comparisons[0].rate_p_adjusted > 0.05
    assert summary.comparisons[0].completion == "no difference shown"


def test_another_campaigns_trials_are_refused() -> None:
    this = campaign()
    with pytest.raises(ReportError, match="no cell"):
        results(this, [trial("elsewhere", 1, 1.0)])
    with pytest.raises(ReportError, match="twice"):
        results(this, [trial(BOTH[0], 1, 1.0), trial(BOTH[0], 1, 2.0)])
    assert results(this, [trial(BOTH[0], 1, 1.0)] * 2).cells[0].counted == 1


def test_cost_wants_a_reference_that_completed() -> None:
    this = campaign()
    trials = outcomes(this, [1.0], [1.0])
    assert results(this, trials).cells[0].cost is None
    assert results(this, [*trials, *references(this)]).cells[0].cost == pytest.approx(28 / 12, rel=1e-5)
    timeouts = [reference.model_copy(update={"outcome": "timeout", "seconds": None}) for reference in references(this)]
    assert results(this, [*trials, *timeouts]).cells[0].reference is None


def test_cost_is_of_handshakes_and_of_the_same_kind() -> None:
    this = campaign(scenarios=["soak-15", "loss-20"])
    wrapped = this.scenarios["clean"].model_copy(update={"wrap": "tls-auth"})
    trials = [trial(campaign_cell.id, 1, 1.0) for campaign_cell in this.cells] + references(this)
    assert [cell_result.cost is None for cell_result in results(this, trials).cells] == [True, True, False, False]
    other = this.model_copy(update={"scenarios": {**this.scenarios, "clean": wrapped}})
    assert all(cell_result.cost is None for cell_result in results(other, trials).cells)


def test_soaks_are_summed() -> None:
    this = campaign(scenarios=["soak-15"], trials=2)
    trials = [
        trial(campaign_cell.id, number, 1.0, soak=soak(longest_outage=number))
        for campaign_cell in this.cells
        for number in (1, 2)
    ]
    sums = results(this, trials).cells[0].soak
    assert sums
    assert (sums.trials, sums.seconds, sums.longest_outage, sums.renegotiations) == (2, 7200.0, 2.0, 118)


def test_a_time_beyond_the_limit_counts_as_the_limit() -> None:
    this = campaign()
    first_cell = results(this, outcomes(this, [60.02], [1.0])).cells[0]
    assert first_cell.restricted_mean
    assert first_cell.restricted_mean.value == first_cell.longest == 60.0


def test_soaks_are_compared_by_whether_the_tunnel_held() -> None:
    """Both came to their end; one of them had no tunnel for a while."""
    this = campaign(scenarios=["soak-15"], trials=20)
    held, broken = soak(outages=0, reconnects=0, down_seconds=0.0), soak(outages=2, reconnects=1, down_seconds=200.0)
    trials = [
        trial(campaign_cell.id, number, 1.0, soak=held if campaign_cell.arm == this.arms[1].name else broken)
        for campaign_cell in this.cells
        for number in range(1, 21)
    ]
    (compared,) = results(this, trials).comparisons
    assert (compared.only_this, compared.both) == (20, 0)
    assert compared.time_difference is not None
    assert compared.time_difference.value == -200.0
    assert "holding the tunnel" in compared.headline or compared.completion == compared.time == "better"
    assert "without the tunnel" in compared.verdict

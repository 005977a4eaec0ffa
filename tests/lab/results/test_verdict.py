"""A verdict claims no more than its evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchkit.lab.results import verdict
from patchkit.lab.results.verdict import Effect, Measured
from patchkit.lab.statistics.intervals import Interval

BETTER = Effect(0.3, Interval(0.2, 0.4), 0.001)
FASTER = Effect(-10.0, Interval(-12.0, -8.0), 0.001)
SLOWER = Effect(10.0, Interval(8.0, 12.0), 0.001)
UNCLEAR = Effect(0.01, Interval(-0.1, 0.12), 0.8)
FOUND = Measured(
    arm="2.6.14+retransmit", first="2.6.14", where="loss-20, leaf-rsa2048", pairs=100, pairs_asked=100, rate=BETTER,
    time=FASTER, packets=Effect(1.8, Interval(1.7, 1.9), 0.001, neutral=1.0), detectable_rate=0.0779,
    detectable_seconds=2.51,
)  # fmt: skip

ends = st.floats(-1, 1)
effects = st.builds(
    lambda value, ends, adjusted: Effect(value, ends and Interval(*sorted(ends)), adjusted),
    st.floats(-1, 1), st.none() | st.tuples(ends, ends), st.floats(0, 1),
)  # fmt: skip


@given(effects, st.sampled_from([verdict.completion, verdict.time, verdict.cost]))
def test_nothing_is_claimed_in_doubt(effect: Effect, judge: object) -> None:
    assert callable(judge)
    if effect.interval is None or effect.interval.low <= 0 <= effect.interval.high or effect.adjusted >= 0.05:
        assert judge(effect) == "no difference shown"
    else:
        assert judge(effect) != "no difference shown"
        assert effect.sign == (1 if effect.interval.low > 0 else -1)


@given(effects, effects)
def test_the_words_are_the_claims(rate: Effect, seconds: Effect) -> None:
    headline = verdict.headline(replace(FOUND, rate=rate, time=seconds))
    claims = {verdict.completion(rate), verdict.time(seconds)}
    assert ("better" in headline) == ("better" in claims)
    assert ("worse" in headline) == ("worse" in claims)
    assert ("no difference shown" in headline) == ("no difference shown" in claims)


@pytest.mark.parametrize(
    ("rate", "seconds", "words"),
    [
        (BETTER, FASTER, "better."),
        (BETTER, SLOWER, "better in completion, but worse in time."),
        (UNCLEAR, FASTER, "better in time; no difference shown in completion."),
        (BETTER, UNCLEAR, "better in completion; no difference shown in time."),
        (UNCLEAR, UNCLEAR, "no difference shown."),
    ],
)
def test_when_completion_and_time_disagree_both_are_said(rate: Effect, seconds: Effect, words: str) -> None:
    headline = verdict.headline(replace(FOUND, rate=rate, time=seconds))
    assert headline == f"2.6.14+retransmit against 2.6.14, loss-20, leaf-rsa2048: {words}"


def test_a_whole_line() -> None:
    rest = verdict.line(FOUND).removeprefix(verdict.headline(FOUND)).replace("\N{MINUS SIGN}", "-")
    assert rest == (
        " Completes +30.0 points (+20.0 to +40.0; p 0.001), mean time up to the limit -10.0 s (-12.0 to -8.0; p "
        "0.001), more control packets: 1.80 times as many (1.70 to 1.90). 100 pairs would have shown a difference of 8 "
        "points or more, if no pair goes the other way, or of 2.6 s or more, in 4 of 5 such campaigns."
    )


def test_what_is_missing_is_said() -> None:
    rate = replace(UNCLEAR, interval=None)
    few = replace(FOUND, pairs=1, rate=rate, detectable_rate=None, detectable_seconds=None, packets=None)
    line = verdict.line(few)
    assert "Completes +1.0 points (p 0.8)" in line
    assert "control packets can't be compared" in line
    assert line.endswith("Only 1 of 100 pairs counted. 1 pair can't show any difference: too few.")
    nothing = replace(FOUND, pairs=0, rate=None, time=None, packets=None)
    assert verdict.line(nothing).endswith(": nothing to compare, not one pair of trials counted.")

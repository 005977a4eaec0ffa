"""What hypothesis chooses: a dialogue and a link, as the line that the driver reads."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

LOST, TWICE = -1, 1_000_000
SEEDS = 20
"""How many runs an example is: the same link with as many seeds."""


@st.composite
def lines(draw: st.DrawFn) -> str:
    """Any loss up to 60 % each way, any order, any duplication, the first packets' fates one by one; after two
    minutes at most the link is good, so that every run has to end."""
    flights = draw(st.lists(st.integers(1, 25), min_size=1, max_size=6))
    values: dict[str, object] = {
        "flights": joined(flights),
        "seed": draw(st.integers(1, 2**31)),
        "loss": draw(st.integers(0, 600)),
        "back": draw(st.integers(0, 600)),
        "dup": draw(st.sampled_from([0, 0, 50, 200, 1000])),
        "delay": draw(st.integers(1, 1000)),
        "jitter": draw(st.sampled_from([0, 0, 20, 200, 3000])),
        "heals": draw(st.integers(0, 120_000)),
        "at_once": draw(st.integers(0, 1)),
        "phase": draw(st.integers(0, 999)),
        "verb": draw(st.sampled_from([0, 0, 0, 0, 0, 0, 0, 12])),
    }
    fates = draw(st.lists(st.one_of(st.just(LOST), st.integers(0, 4000), st.just(TWICE + 50)), max_size=40))
    if fates:
        values["fates"] = joined(fates)
    return " ".join(f"{key}={value}" for key, value in values.items())


def joined(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))

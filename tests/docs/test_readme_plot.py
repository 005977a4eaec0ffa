"""The README's plot and the figures around it are of trials that were run, with what is rendered today."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from statistics import fmean, median

import pytest

from patchkit.patching import pins
from patchkit.patching.variants import variant
from tests.conftest import ROOT
from tests.support.docs.readme import README

KEPT = (ROOT / "docs/lossy-link.json").read_text()
DOCUMENT = json.loads(KEPT)
STOCK, PATCHED = DOCUMENT["arms"].values()


@pytest.mark.slow
def test_the_plot_is_drawn_from_what_is_kept() -> None:
    drawn = subprocess.run(
        [sys.executable, "-P", ROOT / "ci/readme-plot", "draw"], input=KEPT, capture_output=True, text=True, check=True
    ).stdout
    assert drawn == (ROOT / "docs/lossy-link.svg").read_text()


def test_it_was_measured_with_what_is_rendered_today() -> None:
    """A template that changes 2.3.2 in any byte wants another campaign."""
    known = pins.load(variant(DOCUMENT["variant"]).folder)
    assert {name: known[name][before][0] for name, (before, _) in DOCUMENT["files"].items()} == {
        name: after for name, (_, after) in DOCUMENT["files"].items()
    }
    assert set(DOCUMENT["files"]) == set(variant(DOCUMENT["variant"]).files)


def test_the_figures_beside_it_are_of_the_same_trials() -> None:
    sentence = re.search(
        r"^(\S+) on a link that loses 20 % each way, RTT 100 ms, (\d+) handshakes each.*?: (\d+) complete\s"
        r"as\sreleased.\sWith `--variant (\S+)` (all|\d+) complete, half of them within ([\d.]+) s; each sends "
        r"([\d.]+) times\sthe\scontrol\spackets",
        README,
        re.MULTILINE,
    )
    assert sentence is not None
    release, trials, stock, name, patched, half, packets = sentence.groups()
    assert (release, name, int(trials)) == (DOCUMENT["release"], DOCUMENT["variant"], len(STOCK))
    assert len(PATCHED) == len(STOCK)
    assert int(stock) == sum(seconds is not None for seconds, _ in STOCK)
    times = [seconds for seconds, _ in PATCHED if seconds is not None]
    assert patched == ("all" if len(times) == len(PATCHED) else str(len(times)))
    assert float(half) - 0.1 < median(times) <= float(half)
    assert packets == f"{fmean(sent for _, sent in PATCHED) / DOCUMENT['clean_packets']:.1f}"

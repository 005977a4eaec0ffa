"""Stock and variants side by side at this level, without a build: medians for each loss, one line of them a pair.

    python -m tests.reliable.compare 2.6.14 stock retransmit
    PATCHKIT_GIT=… python -m tests.reliable.compare 2.3.2 stock early --flights 4,20,26,12 --runs 5000

The link is RTT 100 ms with the same loss each way; the link's seeds are the same for all. Packets are control packets
sent, relative to those needed; ``in 60 s`` is the share that would beat --hand-window; ``gap`` the 99th percentile of
the longest time between two copies of a packet. Not a replacement for the lab: no TLS, no kernel, no bandwidth.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median, quantiles

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.releases.version import Version
from patchkit.source.obtain import SourceRequest, obtain
from patchkit.ui import Ui
from tests.reliable.harness import Driver, Run, ViolationError, compile_driver

HAND_WINDOW = 60_000
LOSSES = [0, 50, 100, 200, 300]
SHAPES = {"2.3.9": "3,20,25,14", "2.99": "1,2,2,1"}
"""Flights of a handshake of some 60 control packets before 2.3.9, and of 7 since: a packet holds more."""


def shape(version: Version) -> str:
    """The flights, the client's first; the two resets come on top."""
    return next(flights for before, flights in SHAPES.items() if version < Version.parse(before))


def row(runs: Sequence[Run]) -> list[str]:
    ends = [run.ms if run.finished else 10**9 for run in runs]
    in_time = sum(end <= HAND_WINDOW for end in ends) / len(runs)
    shown = [f"{ms / 1000:.2f}" if ms < 10**9 else "-" for ms in (median(ends), quantiles(ends, n=100)[98], max(ends))]
    packets = f"{mean(run.data for run in runs) / runs[0].needed:.2f}"
    acks = f"{mean(run.acks for run in runs):.1f}"
    gap = f"{quantiles([run.gap for run in runs], n=100)[98] / 1000:.1f}"
    return [*shown, f"{in_time:.1%}", packets, acks, gap, str(sum(run.storm for run in runs))]


def measured(driver: Driver, line: str) -> list[str]:
    try:
        return row(driver.run(line))
    except ViolationError as error:
        sys.stderr.write(f"{error}\n")
        return ["broke a rule"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version")
    parser.add_argument("variants", nargs="+")
    parser.add_argument("--flights", help="control packets, the client's first flight first; default by series")
    parser.add_argument("--runs", type=int, default=1000, help="for each loss")
    parser.add_argument("--link", default="delay=50", help='keys of driver.c, such as "delay=300 jitter=50 dup=20"')
    given = parser.parse_args()
    flights = given.flights or shape(Version.parse(given.version))
    tree = obtain(
        SourceRequest(given.version, git=os.environ.get("PATCHKIT_GIT")), Context(Cache.default(), Ui(quiet=True))
    ).tree
    columns = ["loss", "variant", "p50 s", "p99 s", "max s", "in 60 s", "packets", "acks", "gap s", "storms"]
    sys.stdout.write("\t".join(columns) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        drivers = {
            name: compile_driver(tree, given.version, name, Path(folder, name))
            for name in dict.fromkeys(given.variants)
        }
        for loss in LOSSES:
            for name, driver in drivers.items():
                line = f"flights={flights} loss={loss} runs={given.runs} limit=600000 give_up=1 {given.link}"
                sys.stdout.write("\t".join([f"{loss / 10:g} %", name, *measured(driver, line)]) + "\n")
                sys.stdout.flush()
        for driver in drivers.values():
            driver.close()


if __name__ == "__main__":
    main()

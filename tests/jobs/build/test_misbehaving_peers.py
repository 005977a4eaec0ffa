"""Real processes whose peers follow no rules: no ASSERT, no loop that computes, no growth, no more than the bound."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from patchkit.lab.link.openvpn_options import for_old_releases
from patchkit.lab.model.scenario import Scenario
from patchkit.patching.variants import variant
from patchkit.releases.version import Version
from tests.support.ack_mangling import MISDEEDS, Mangler
from tests.support.handshakes import Outcome, Peer, Processes, handshake
from tests.support.jobs.series import RELEASES, ProgramOf

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]  # the first test of a series may compile its OpenSSL

SECONDS = 12
"""How long each is looked at: timers of upstream's are 2 s, then 4 s, then 8 s."""
COMPLETING = {"twice", "future", "reverse"}
CPU = 0.5
"""Seconds of the 12 that one process may compute: a handshake takes some 0.1 s, a busy loop all."""
GROWTH = 2 << 20
"""Bytes that a process may have beyond stock's."""


@dataclass
class Used:
    """What a process had used when it was looked at last."""

    cpu: float = 0.0
    """Seconds."""
    memory: int = 0
    """Bytes, at most."""

    def look(self, pid: int) -> None:
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        self.cpu = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        self.memory = int(lines["VmHWM"].split()[0]) << 10 if "VmHWM" in lines else self.memory


@dataclass
class Met:
    """One meeting of two ends of the same program."""

    outcome: Outcome
    mangler: Mangler
    used: tuple[Used, Used]
    """The server's and the client's."""


def met(folder: Path, program: Path, series: str, misdeed: str) -> Met:
    mangler, used, begun = Mangler(misdeed), (Used(), Used()), time.monotonic()

    def long_enough(_: Outcome, processes: Processes) -> bool:
        for usage, process in zip(used, processes, strict=True):
            usage.look(process.pid)
        return time.monotonic() - begun > SECONDS

    version = Version.parse(RELEASES[series])
    options = for_old_releases(version, version, Scenario(summary="a test", topology="p2p"))
    peer = Peer(program, ["--verb", "3", *options])
    outcome = handshake(folder, peer, peer, window=60, fate=mangler, enough=long_enough)
    assert time.monotonic() - begun > SECONDS, f"one of them ended:\n{outcome.server}\n{outcome.client}"
    return Met(outcome, mangler, used)


def ends(one: Met) -> Iterator[tuple[int, int]]:
    """Control packets and how many of them are different, of each end."""
    for from_client in (False, True):
        yield one.mangler.packets[from_client], len(one.mangler.messages[from_client])


@pytest.fixture(scope="module", params=RELEASES)
def meetings(
    request: pytest.FixtureRequest, program_of: ProgramOf, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Met]:
    """By variant and misdeed, for one series: all at once, since they mostly wait."""
    series: str = request.param
    arms = {name: program_of(series, name) for name in ("stock", "recommended")}
    pairings = list(itertools.product(arms, MISDEEDS))
    with ThreadPoolExecutor(len(pairings)) as pool:
        running = [
            pool.submit(met, tmp_path_factory.mktemp(f"{series}-{arm}-{misdeed}"), arms[arm], series, misdeed)
            for arm, misdeed in pairings
        ]
        return dict(zip(pairings, [meeting.result() for meeting in running], strict=True))


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_a_peer_that_follows_no_rules(meetings: dict[tuple[str, str], Met], misdeed: str) -> None:
    ours, stock = meetings["recommended", misdeed], meetings["stock", misdeed]
    logs = f"{ours.outcome.server}\n{ours.outcome.client}"
    assert "Assertion failed" not in logs, logs
    assert ours.outcome.completed == (misdeed in COMPLETING), logs
    bound = variant("recommended").bound
    assert bound is not None
    for packets, messages in ends(ours):
        assert packets <= bound.copies * messages + bound.per_second * SECONDS
    for own, other in zip(ours.used, stock.used, strict=True):
        assert own.cpu < CPU, (own, other)
        assert 0 < own.memory < other.memory + GROWTH, (own, other)

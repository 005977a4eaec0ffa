"""CVE-2026-84732 on real processes: a peer whose ACKs are of packets that were never sent, and what each build does.

The peer is an honest program behind a relay that rewrites its ACKs, so each packet that arrives calls forth eight ACKs
of the future. SECURITY.md has the table of what is promised, row by row.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from patchkit.building.settings import BuildSettings
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import NetworkUnavailableError, PlacesExhaustedError
from patchkit.jobs.lab.binaries import programs
from patchkit.lab.link.binaries import BinaryRequest
from patchkit.lab.link.openvpn_options import for_old_releases
from patchkit.lab.model.scenario import Scenario
from patchkit.patching.variants import variant
from patchkit.releases.version import Version
from patchkit.source.obtain import SourceRequest
from patchkit.ui import Ui
from tests.support.ack_mangling import Mangler
from tests.support.handshakes import Outcome, Peer, Processes, handshake
from tests.support.jobs.builds import GIT
from tests.support.jobs.series import OPENSSL_102

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]  # four releases are compiled, one with its OpenSSL

CURE = "cve-2026-84732"
SECONDS = 12
"""How long each meeting is looked at: honest timers are 2 s, then 4 s, then 8 s."""
COPIES = 4
"""Copies of a packet that honest timers send within that time, one more for the clock of whole seconds."""
LONGEST = 64 * 2
"""Seconds: the cure's bound, for upstream's default of --tls-timeout."""
RELEASES = {
    "2.3.2": ("stock", "recommended"),
    "2.5.11": ("stock", "recommended"),
    "2.6.14": ("stock", "recommended", CURE, f"{CURE}+recommended"),
    "2.7.6": ("stock", "recommended", CURE, f"{CURE}+recommended"),
}


@dataclass
class Met:
    """One meeting of two ends of the same program."""

    mangler: Mangler
    cpu: tuple[float, float]
    """Seconds that the server and the client have computed."""
    timeouts: list[int]
    """What was logged as the next timeout of each packet that was sent, in seconds; only of a talkative meeting."""

    @property
    def ends(self) -> Iterator[tuple[int, int]]:
        """Control packets and how many of them are different, of each end."""
        for from_client in (False, True):
            yield self.mangler.packets[from_client], len(self.mangler.messages[from_client])


def met(folder: Path, program: Path, release: str, *, talkative: bool) -> Met:
    mangler, begun, used = Mangler("ahead"), time.monotonic(), [0.0, 0.0]

    def long_enough(_: Outcome, processes: Processes) -> bool:
        for number, process in enumerate(processes):
            user, system = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            used[number] = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        return time.monotonic() - begun > SECONDS

    version = Version.parse(release)
    options = for_old_releases(version, version, Scenario(summary="a test", topology="p2p"))
    peer = Peer(program, ["--verb", "9" if talkative else "3", *options])
    outcome = handshake(folder, peer, peer, window=60, fate=mangler, enough=long_enough)
    logged = re.findall(r"ACK reliable_send ID .* to=(-?\d+)\)", outcome.server + outcome.client)
    return Met(mangler, (used[0], used[1]), [int(timeout) for timeout in logged])


@pytest.fixture(scope="module")
def meetings(shared_cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, bool], Met]:
    """By release, variant and whether the log has everything: all at once, since they mostly wait."""
    if not GIT or not OPENSSL_102:
        pytest.skip("PATCHKIT_GIT or PATCHKIT_OPENSSL_102 is not set: releases that no pool serves are compiled")
    settings = BuildSettings(engine="host", openssl_sources=[OPENSSL_102])
    arms = [(release, name) for release, names in RELEASES.items() for name in names]
    folder = tmp_path_factory.mktemp("programs")
    paths = {}
    try:
        requests = {arm: BinaryRequest(*arm) for arm in arms}
        context = Context(shared_cache, Ui(quiet=True))
        binaries = programs(list(requests.values()), SourceRequest(git=GIT), settings, context)
    except (NetworkUnavailableError, PlacesExhaustedError) as error:
        pytest.skip(f"not everything can be built from what is in reach: {error.what}")
    for arm, request in requests.items():
        paths[arm] = folder / "-".join(("openvpn", *arm))
        paths[arm].write_bytes(binaries[request].data)
        paths[arm].chmod(0o755)
    pairings = list(itertools.product(arms, (False, True)))
    with ThreadPoolExecutor(len(pairings)) as pool:
        running = [
            pool.submit(met, tmp_path_factory.mktemp("meeting"), paths[arm], arm[0], talkative=talkative)
            for arm, talkative in pairings
        ]
        return {(*pair[0], pair[1]): meeting.result() for pair, meeting in zip(pairings, running, strict=True)}


@pytest.mark.parametrize("release", ["2.6.14", "2.7.6"])
def test_stock_sends_as_often_as_the_peer_likes(meetings: dict[tuple[str, str, bool], Met], release: str) -> None:
    assert any(packets > 10 * COPIES * messages for packets, messages in meetings[release, "stock", False].ends)
    timeouts = meetings[release, "stock", True].timeouts
    assert max(timeouts) > LONGEST
    assert min(timeouts) < 0  # it has overflowed


@pytest.mark.parametrize("release", ["2.3.2", "2.5.11"])
def test_stock_before_2_6_does_not(meetings: dict[tuple[str, str, bool], Met], release: str) -> None:
    for packets, messages in meetings[release, "stock", False].ends:
        assert packets <= COPIES * messages
    assert max(meetings[release, "stock", True].timeouts) <= LONGEST


@pytest.mark.parametrize("release", ["2.6.14", "2.7.6"])
def test_the_cure_sends_as_often_as_without_any_ack(meetings: dict[tuple[str, str, bool], Met], release: str) -> None:
    for packets, messages in meetings[release, CURE, False].ends:
        assert packets <= COPIES * messages
    assert 0 < max(meetings[release, CURE, True].timeouts) <= LONGEST
    assert min(meetings[release, CURE, True].timeouts) > 0


@pytest.mark.parametrize(
    ("release", "name"),
    [(release, name) for release, names in RELEASES.items() for name in names if name.endswith("recommended")],
)
def test_recommended_keeps_to_its_bound(meetings: dict[tuple[str, str, bool], Met], release: str, name: str) -> None:
    bound = variant("recommended").bound
    assert bound is not None
    for packets, messages in meetings[release, name, False].ends:
        assert packets <= bound.copies * messages + bound.per_second * SECONDS
    stock = meetings[release, "stock", False]
    for own, other in zip(meetings[release, name, False].cpu, stock.cpu, strict=True):
        assert own < max(0.5, other)

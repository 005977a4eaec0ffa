"""A patched end talks to stock ones of every series, as client and as server, with tls-auth and tls-crypt.

Real processes over loopback, and a relay that loses three datagrams of the handshake, so that packets are sent again.
Without ``PATCHKIT_GIT`` and ``PATCHKIT_OPENSSL_102`` only the series meet whose sources Debian's pool has.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from patchkit.lab.link.openvpn_options import for_old_releases
from patchkit.lab.model.scenario import Scenario, Wrap
from patchkit.pki.keys import STATIC_KEY, keys
from patchkit.releases.ranges import holds
from patchkit.releases.version import Version
from tests.support.handshakes import Peer, handshake
from tests.support.jobs.series import RELEASES, ProgramOf
from tests.support.lossy_relay import Fate

LOST = {(True, 2), (True, 5), (False, 3)}
"""Datagrams that do not arrive: from the client or not, and the how manyth."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]  # the first test of a series may compile its OpenSSL


def lose() -> Fate:
    seen = {True: itertools.count(1), False: itertools.count(1)}
    return lambda datagram, from_client: [datagram] * ((from_client, next(seen[from_client])) not in LOST)


@pytest.mark.parametrize("wrap", ["tls-auth", "tls-crypt"])
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("stock", RELEASES)
@pytest.mark.parametrize("patched", RELEASES)
def test_a_patched_end_and_a_stock_one(
    patched: str, stock: str, role: str, wrap: Wrap, program_of: ProgramOf, tmp_path: Path
) -> None:
    versions = [Version.parse(RELEASES[series]) for series in (patched, stock)]
    if wrap == "tls-crypt" and not all(holds(">=2.4a0", version) for version in versions):
        pytest.skip("tls-crypt is of 2.4 and later")
    scenario = Scenario(summary="a test", topology="p2p", wrap=wrap)
    (tmp_path / "ta.key").write_bytes(keys("leaf-rsa2048")[STATIC_KEY])
    (tmp_path / "ta.key").chmod(0o600)

    def peer(program: Path, side: str, own: Version, other: Version) -> Peer:
        direction = [] if wrap == "tls-crypt" else ["0" if side == "server" else "1"]
        return Peer(program, [f"--{wrap}", "ta.key", *direction, *for_old_releases(own, other, scenario)])

    other = "server" if role == "client" else "client"
    ours = peer(program_of(patched, "recommended"), role, *versions)
    theirs = peer(program_of(stock, "stock"), other, *reversed(versions))
    server, client = (theirs, ours) if role == "client" else (ours, theirs)
    done = handshake(tmp_path, server, client, window=60, fate=lose())
    assert done.completed, f"{done.server}\n{done.client}"
    assert done.data_passed, f"{done.server}\n{done.client}"

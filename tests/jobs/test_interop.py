"""A patched end talks to stock ones of every series, as client and as server, with tls-auth and tls-crypt.

Real processes over loopback, and a relay that loses three datagrams of the handshake, so that packets are sent again.
Without ``PATCHKIT_GIT`` and ``PATCHKIT_OPENSSL_102`` only the series meet whose sources Debian's pool has.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from patchkit.errors import NetworkUnavailableError, PlacesExhaustedError
from patchkit.jobs.lab_programs import Bench, programs
from patchkit.lab.keys import static_key
from patchkit.lab.peers import for_old_releases
from patchkit.lab.programs import Asked
from patchkit.lab.scenario import Scenario, Wrap
from patchkit.releases.ranges import holds
from patchkit.releases.version import Version
from patchkit.source.cache import Cache
from patchkit.ui import Ui
from tests.conftest import PINNED
from tests.handshakes import Peer, handshake
from tests.jobs.test_build import GIT

OPENSSL_102 = os.environ.get("PATCHKIT_OPENSSL_102")  # read at import, like GIT
POOL = {"2.6": PINNED, "2.7": "2.7.7"}
"""Releases by series that the pool serves; the others want upstream's history."""
RELEASES = {"2.2": "2.2.3", "2.3": "2.3.2", "2.4": "2.4.12", "2.5": "2.5.11", **POOL}
OPENSSL_10 = {"2.2", "2.3"}
LOST = {(True, 2), (True, 5), (False, 3)}
"""Datagrams that do not arrive: from the client or not, and the how manyth."""

ProgramOf = Callable[[str, str], Path]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]  # the first test of a series may compile its OpenSSL


@pytest.fixture(scope="module")
def program_of(shared_cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> ProgramOf:
    """The program of a series and a variant, both variants built at once; skips where its source is not in reach."""
    folder = tmp_path_factory.mktemp("programs")
    made: dict[tuple[str, str], Path] = {}

    def program(series: str, variant: str) -> Path:
        if (series, variant) not in made:
            if series not in POOL and not GIT:
                pytest.skip("PATCHKIT_GIT is not set to a full clone of upstream")
            if series in OPENSSL_10 and not OPENSSL_102:
                pytest.skip("PATCHKIT_OPENSSL_102 is not set to a source of OpenSSL 1.0.2")
            sources = [OPENSSL_102] if series in OPENSSL_10 and OPENSSL_102 else []
            bench = Bench(engine="host", git=None if series in POOL else GIT, openssl_sources=sources)
            asked = {name: Asked(RELEASES[series], name) for name in ("stock", "recommended")}
            try:
                found = programs(list(asked.values()), bench, shared_cache, Ui(quiet=True))
            except (NetworkUnavailableError, PlacesExhaustedError) as error:
                pytest.skip(f"{RELEASES[series]} can't be built from what is in reach: {error.what}")
            for name, one in asked.items():
                path = folder / f"openvpn-{series}-{name}"
                path.write_bytes(found[one].data)
                path.chmod(0o755)
                made[series, name] = path
        return made[series, variant]

    return program


def lose() -> Callable[[bytes, bool], int]:
    seen = {True: itertools.count(1), False: itertools.count(1)}
    return lambda _, from_client: int((from_client, next(seen[from_client])) not in LOST)


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
    (tmp_path / "ta.key").write_bytes(static_key("interop"))
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

"""With ``handshake`` no stock peer gets a control packet that it can't take, whatever sizes it has been given.

Real processes over loopback. Releases up to 2.3.11 read no more of a datagram than their own --link-mtu, and lose the
rest; those of 2.3.12 to 2.3.14, 2.4.0 and 2.4.1 may end themselves (CVE-2017-7478).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from patchkit.lab.link.openvpn_options import for_old_releases
from patchkit.lab.model.scenario import Scenario, Wrap
from patchkit.pki.keys import STATIC_KEY, keys
from patchkit.releases.ranges import holds
from patchkit.releases.version import Version
from tests.support.handshakes import Outcome, Peer, handshake
from tests.support.jobs.series import OLDER, RELEASES, ProgramOf

VARIANT = "recommended"
ALL = OLDER | RELEASES
PATCHED = ["2.2", "2.3", "2.4", "2.5"]
LARGEST = 1250
"""Bytes of the largest control packet."""
SMALL = 100 + 1 + 8 + 28 + 25 + 4
"""Bytes of the largest one of a release before 2.3.9: TLS, opcode, session id, tls-auth, four ACKs, packet id."""
CASES: dict[str, tuple[list[str], list[str], Wrap]] = {
    "tun-mtu 576": (["--tun-mtu", "576"], [], "none"),
    "tun-mtu 576, tls-auth": (["--tun-mtu", "576"], [], "tls-auth"),
    "tun-mtu 576 at both, tls-auth": (["--tun-mtu", "576"], ["--tun-mtu", "576"], "tls-auth"),
    "tun-mtu 576, tls-crypt": (["--tun-mtu", "576"], [], "tls-crypt"),
    "tun-mtu 1000": (["--tun-mtu", "1000"], [], "none"),
    "tun-mtu 1000, tls-auth": (["--tun-mtu", "1000"], [], "tls-auth"),
    "tun-mtu 1400, tls-auth": (["--tun-mtu", "1400"], [], "tls-auth"),
    "tun-mtu 9000, tls-auth": (["--tun-mtu", "9000"], [], "tls-auth"),
    "link-mtu 700, tls-auth": (["--link-mtu", "700"], [], "tls-auth"),
    "fragment 500, tls-auth": (["--fragment", "500"], ["--fragment", "500"], "tls-auth"),
    "mssfix 400, tls-auth": (["--mssfix", "400"], [], "tls-auth"),
    "tls-crypt": ([], [], "tls-crypt"),
}
"""The peer's options, ours, and the wrap."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]  # the first test of a series may compile its OpenSSL


@dataclass
class Sizes:
    """A relay's fate that loses nothing and remembers the largest datagram of each end."""

    largest: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    """By whether the client sent it."""

    def __call__(self, datagram: bytes, from_client: bool) -> list[bytes]:
        self.largest[from_client] = max(self.largest[from_client], len(datagram))
        return [datagram]


@dataclass(frozen=True)
class Meeting:
    """One end that is looked at, the other one, and their options."""

    folder: Path
    ours: tuple[str, Path]
    """A series and a program."""
    theirs: tuple[str, Path]
    role: str
    """Of the end that is looked at."""
    wrap: Wrap = "none"
    own: tuple[str, ...] = ()
    other: tuple[str, ...] = ()

    def run(self, ours: Path | None = None) -> tuple[Outcome, int]:
        """Let them meet, with another program at our end if ``ours`` is given: the logs, and our largest datagram."""
        sizes = Sizes()
        versions = [Version.parse(ALL[series]) for series, _ in (self.ours, self.theirs)]
        roles = (self.role, "server" if self.role == "client" else "client")
        us = self._peer(ours or self.ours[1], roles[0], versions[0], versions[1], self.own)
        them = self._peer(self.theirs[1], roles[1], versions[1], versions[0], self.other)
        server, client = (them, us) if self.role == "client" else (us, them)
        done = handshake(
            self.folder, server, client, window=30, fate=sizes, enough=lambda outcome, _: outcome.completed
        )
        return done, sizes.largest[self.role == "client"]

    def _peer(self, program: Path, role: str, own: Version, other: Version, options: tuple[str, ...]) -> Peer:
        scenario = Scenario(summary="a test", topology="p2p", wrap=self.wrap)
        direction = ["0" if role == "server" else "1"] if self.wrap == "tls-auth" else []
        wrap = [f"--{self.wrap}", "ta.key", *direction] if self.wrap != "none" else []
        (self.folder / "ta.key").write_bytes(keys("leaf-rsa2048")[STATIC_KEY])
        (self.folder / "ta.key").chmod(0o600)
        return Peer(program, [*wrap, *options, *for_old_releases(own, other, scenario)])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("peer", ALL)
@pytest.mark.parametrize("patched", PATCHED)
def test_a_stock_peer_with_sizes_of_its_own(
    patched: str, peer: str, role: str, case: str, program_of: ProgramOf, tmp_path: Path
) -> None:
    other, own, wrap = CASES[case]
    if wrap == "tls-crypt" and not all(holds(">=2.4a0", Version.parse(ALL[series])) for series in (patched, peer)):
        pytest.skip("tls-crypt is of 2.4 and later")
    meeting = Meeting(
        tmp_path,
        (patched, program_of(patched, VARIANT)),
        (peer, program_of(peer, "stock")),
        role,
        wrap,
        tuple(own),
        tuple(other),
    )
    done, largest = meeting.run()
    assert "Assertion failed" not in done.server + done.client
    if not done.completed:
        stock, _ = meeting.run(program_of(patched, "stock"))
        assert not stock.completed, f"{done.server}\n{done.client}"
        pytest.xfail("stock and stock do not complete either")
    assert largest <= LARGEST


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("peer", ["2.1", "2.2", "2.3"])
def test_a_peer_that_has_shown_nothing_gets_small_packets(
    peer: str, role: str, program_of: ProgramOf, tmp_path: Path
) -> None:
    ours, theirs = ("2.3", program_of("2.3", VARIANT)), (peer, program_of(peer, "stock"))
    done, largest = Meeting(tmp_path, ours, theirs, role, "tls-auth").run()
    assert done.completed
    assert largest <= SMALL


@pytest.mark.parametrize(
    ("role", "options", "least", "most"),
    [
        ("client", (), SMALL + 1, LARGEST),
        ("server", (), SMALL + 1, LARGEST),
        ("client", ("--tun-mtu", "1000"), SMALL + 1, 1000),  # the server's own packets show it
        ("server", ("--tun-mtu", "1000"), 0, SMALL),
    ],
)
def test_two_patched_ends_use_packets_that_both_take(
    role: str, options: tuple[str, ...], least: int, most: int, program_of: ProgramOf, tmp_path: Path
) -> None:
    ours = theirs = ("2.3", program_of("2.3", VARIANT))
    done, largest = Meeting(tmp_path, ours, theirs, role, "tls-auth", other=options).run()
    assert done.completed
    assert least <= largest <= most

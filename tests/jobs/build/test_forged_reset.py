"""An address that sends resets and proves nothing, and may be forged, is sent no more than by upstream's program."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from patchkit.lab.link.openvpn_options import for_old_releases
from patchkit.lab.model.scenario import Scenario
from patchkit.pki.short_lived import short_lived_credentials
from patchkit.releases.version import Version
from tests.support.handshakes import Peer, listening, said, started
from tests.support.jobs.series import RELEASES, ProgramOf
from tests.support.loopback import PORT, own_address

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]  # the first test of a series may compile its OpenSSL

SECONDS = 35.0
"""Upstream sends its answer after 0, 2, 6, 14 and 30 s."""
CLIENT = 7  # P_CONTROL_HARD_RESET_CLIENT_V2
CONTROL = 4  # P_CONTROL_V1

MORE = 10 * 4
"""Bytes: ten ACKs at most are sent with the answer instead of by themselves, and an answer has the id of a packet."""


def packet(opcode: int, number: int) -> bytes:
    """Return a control packet without ACKs or payload, as upstream's clients make it: a reset has the number 0."""
    return bytes([opcode << 3]) + b"forged!!" + b"\0" + number.to_bytes(4, "big")


RESET = packet(CLIENT, 0)
RESET_OCTETS = 26  # with an ACK
ATTACKS: dict[str, Sequence[tuple[float, bytes]]] = {
    "one": [(0.0, RESET)],
    "two": [(0.0, RESET), (1.0, RESET)],
    "as a client": [(at, RESET) for at in (0.0, 0.33, 0.8, 1.5, 2.5, 3.5, 4.7, 6.5, 14.0, 30.0)],
    "ten a second": [(tenth / 10, RESET) for tenth in range(300)],
    "and what follows": [
        *((number / 5, packet(CONTROL if number else CLIENT, number)) for number in range(5)),
        *((1 + tenth / 10, packet(CONTROL, 4)) for tenth in range(100)),
    ],
}
"""What is sent, after how many seconds."""


@dataclass
class Answers:
    """What came back."""

    packets: int = 0
    octets: int = 0


def answers(folder: Path, program: Path, version: Version, attack: Sequence[tuple[float, bytes]]) -> Answers:
    """Return what a server of ``program`` sends in SECONDS to the one who sends ``attack``."""
    for name, content in short_lived_credentials().items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    address = (own_address(), PORT)
    role = [*listening(address), "--cert", "server.crt", "--key", "server.key"]
    options = for_old_releases(version, version, Scenario(summary="a test", topology="p2p"))
    log, came = folder / "server.log", Answers()
    with (
        started(Peer(program, options), role, log, window=60) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        sender.connect(address)
        deadline = time.monotonic() + 10
        while "link local (bound)" not in said(log):
            assert server.poll() is None, said(log)
            assert time.monotonic() < deadline, said(log)
            time.sleep(0.02)
        begun, waiting = time.monotonic(), list(attack)
        while (passed := time.monotonic() - begun) < SECONDS:
            while waiting and waiting[0][0] <= passed:
                sender.send(waiting.pop(0)[1])
            sender.settimeout(max(0.001, min([SECONDS, *(at for at, _ in waiting[:1])]) - passed))
            try:
                octets = len(sender.recv(65536))
            except TimeoutError:
                continue
            came = Answers(came.packets + 1, came.octets + octets)
        assert server.poll() is None, said(log)
    return came


@pytest.mark.parametrize("series", RELEASES)
def test_it_is_sent_no_more_than_by_stock(
    series: str, program_of: ProgramOf, tmp_path_factory: pytest.TempPathFactory
) -> None:
    version = Version.parse(RELEASES[series])
    programs = {name: program_of(series, name) for name in ("stock", "recommended")}
    with ThreadPoolExecutor(2 * len(ATTACKS)) as pool:  # all at once: they mostly wait
        running = {
            (name, attack): pool.submit(
                answers, tmp_path_factory.mktemp(f"{series}-{name}"), program, version, ATTACKS[attack]
            )
            for name, program in programs.items()
            for attack in ATTACKS
        }
        came = {key: future.result() for key, future in running.items()}
    print(series, came)  # noqa: T201 (pytest -rP shows it)
    for attack, packets in ATTACKS.items():
        ours, stock = came["recommended", attack], came["stock", attack]
        # Upstream's program answers five times, and sends an ACK for each packet that comes: in the same packet only
        # where both are due at once, which is up to chance.
        assert 0 < ours.packets <= len(packets) + 4, (attack, ours, stock)
        by_chance = RESET_OCTETS * max(0, ours.packets - stock.packets)
        assert ours.octets <= stock.octets + MORE + by_chance, (attack, ours, stock)
    for attack in ("one", "ten a second"):
        assert came["recommended", attack].packets <= came["stock", attack].packets
    assert came["recommended", "one"].octets <= came["stock", "one"].octets

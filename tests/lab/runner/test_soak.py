"""A soak in this host's namespaces, with peers that are no OpenVPN: what is counted, and that outages happen."""

from __future__ import annotations

import pytest

from patchkit.lab.model.scenario import Outage, Scenario
from tests.support.lab.scripted_peers import needs_namespaces, trial_of

CLIENT = b"""
import socket, time
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(50):
    link.sendto(bytes([0x38]) + bytes([n]) * 20, ("10.77.2.2", 1194))
print("done", flush=True)
for n in range(10000):
    link.sendto(bytes([0x20]) + b"%6d" % n, ("10.77.2.2", 1194))
    time.sleep(0.1)
"""
SERVER = b"""
import socket
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.bind(("10.77.2.2", 1194))
print("ready done", flush=True)
while True:
    link.recv(2000)
"""


@pytest.mark.slow
@needs_namespaces
def test_a_soak_has_outages_and_forgets_how_the_peers_met() -> None:
    scenario = Scenario(
        summary="a test", run="soak", duration_s=6, ping_s=0.5, outage=[Outage(at_s=2, for_s=2)], outage_s=1
    )
    trial, _ = trial_of(scenario, CLIENT, SERVER)
    assert (trial.outcome, trial.detail) == ("completed", "")
    up = trial.traffic["up"]
    assert "P_CONTROL_HARD_RESET_CLIENT_V2" not in up.opcodes  # they met on a link without faults
    assert 15 <= up.dropped == up.ruled_out <= 22
    assert trial.soak is not None
    assert trial.soak.outages == 1
    assert 2 <= trial.soak.longest_outage <= 3.1

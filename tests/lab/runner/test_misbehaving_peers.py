"""Peers that die, hang or run in circles, in a real guest: scripts stand in for openvpn, one misdeed a ``--verb``."""

from __future__ import annotations

import pytest

from patchkit.lab.link import uml
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.run_output import RunOutput
from patchkit.lab.link.runner_order import Turn, order
from patchkit.lab.model.scenario import built_in
from patchkit.lab.observe.trial_from_run import observed
from patchkit.releases.version import Version

pytestmark = pytest.mark.slow
SCENARIO = built_in()["clean"]
MISDEEDS = ("dies", "is never ready", "ends with an error", "will not end", "runs in circles", "computes")
# What it says and does depends on the verbosity that it is given: a turn has its own.
SERVER = b"""#!/usr/bin/busybox sh
if [ "$1" = --version ]; then echo OpenVPN stand-in; exit; fi
[ "$2" = 2 ] || echo Initialization Sequence Completed
case $2 in
1) busybox sleep 1; echo last words; kill -ABRT $$ ;;
2) busybox sleep 1000 ;;
3) echo no such option; exit 3 ;;
4) trap '' TERM; while :; do busybox sleep 1; done ;;
5) while :; do : </dev/null; done ;;
6) while :; do :; done ;;
esac
"""
# The guest has no module of Python's library but those that are part of the interpreter.
CLIENT = b"""#!/usr/bin/python3.13 -IS
import _socket, sys, time
if "--version" in sys.argv:
    sys.exit(print("OpenVPN stand-in"))
out = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
while True:
    out.sendto(b"x", ("10.77.2.2", 1194))
    time.sleep(1)
"""


@pytest.fixture(scope="module")
def outcomes(uml_machine: uml.Machine) -> dict[str, RunOutput]:
    files = {"peers/server": SERVER, "peers/client": CLIENT}
    groups = ProcessGroups()
    peers = uml.packed_peers(uml_machine, files, groups)
    ran = {}
    for verbosity, misdeed in enumerate(MISDEEDS, start=1):
        runner_order = order(SCENARIO, Version("2.6.14"), Version("2.6.14"), [Turn(1, verbosity=verbosity)])
        (ran[misdeed],) = uml.run(uml_machine, peers, {**runner_order, "cpu_limit_s": 1}, wall_limit=60, groups=groups)
    return ran


@pytest.mark.parametrize(
    ("misdeed", "outcome", "detail"),
    [
        ("dies", "crash", "the server was killed by SIGABRT"),
        ("is never ready", "hang", "the server was not ready"),
        ("ends with an error", "crash", "the server ended with exit code 3"),
        ("will not end", "hang", "the server did not end when told to"),
        ("runs in circles", "hang", "the server used up its CPU time"),
        ("computes", "hang", "a peer computed without a system call"),
    ],
)
def test_a_misdeed_is_told(outcomes: dict[str, RunOutput], misdeed: str, outcome: str, detail: str) -> None:
    ran = outcomes[misdeed]
    trial = observed("cell", 1, 1, SCENARIO, ran.outcome, ran.parts)
    assert (trial.outcome, trial.seconds) == (outcome, None)
    assert trial.detail.startswith(detail)


def test_last_words_are_kept(outcomes: dict[str, RunOutput]) -> None:
    assert "last words" in str(outcomes["dies"].outcome["detail"])
    assert b"last words" in outcomes["dies"].parts["server.log"]
    assert b"no such option" in outcomes["ends with an error"].parts["server.log"]


def test_packets_are_counted_all_the_same(outcomes: dict[str, RunOutput]) -> None:
    assert [bool(ran.parts["packets"]) for ran in outcomes.values()] == [True, False, True, True, True, False]

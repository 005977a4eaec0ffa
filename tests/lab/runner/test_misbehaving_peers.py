"""Peers that die, hang or run in circles, in a real machine: scripts stand in for openvpn, one misdeed a ``--verb``."""

from __future__ import annotations

import pytest

from patchkit.cache import Cache
from patchkit.lab.guest.image import Guest
from patchkit.lab.link import qemu
from patchkit.lab.link.processes import RunOutput
from patchkit.lab.link.runner_order import Turn, order
from patchkit.lab.model.scenario import built_in
from patchkit.lab.observe.trial_from_run import observed
from patchkit.releases.version import Version

pytestmark = pytest.mark.slow
SCENARIO = built_in()["clean"]
MISDEEDS = ("dies", "is never ready", "ends with an error", "will not end", "runs in circles")
# What it says and does depends on the verbosity that it is given: a turn has its own.
SERVER = b"""#!/usr/bin/busybox sh
if [ "$1" = --version ]; then echo OpenVPN stand-in; exit; fi
[ "$2" = 2 ] || echo Initialization Sequence Completed
case $2 in
1) sleep 1; echo last words; kill -ABRT $$ ;;
2) sleep 1000 ;;
3) echo no such option; exit 3 ;;
4) trap '' TERM; while :; do sleep 1; done ;;
5) while :; do :; done ;;
esac
"""
CLIENT = b"""#!/usr/bin/python3.13 -IS
import socket, sys, time
if "--version" in sys.argv:
    sys.exit(print("OpenVPN stand-in"))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    while True:
        out.sendto(b"x", ("10.77.2.2", 1194))
        time.sleep(1)
"""


@pytest.fixture(scope="module")
def outcomes(the_guest: Guest, shared_cache: Cache) -> dict[str, RunOutput]:
    files = {"peers/server": SERVER, "peers/client": CLIENT}
    booted = qemu.snapshot(the_guest, files, tuple(files), shared_cache)
    turns = [Turn(seed, verbosity=seed) for seed in range(1, len(MISDEEDS) + 1)]
    runner_order = order(SCENARIO, Version("2.6.14"), Version("2.6.14"), turns)
    ran = qemu.run(booted, {**runner_order, "cpu_limit_s": 1}, wall_limit=500)
    return dict(zip(MISDEEDS, ran, strict=True))


@pytest.mark.parametrize(
    ("misdeed", "outcome", "detail"),
    [
        ("dies", "crash", "the server was killed by SIGABRT"),
        ("is never ready", "hang", "the server was not ready"),
        ("ends with an error", "crash", "the server ended with exit code 3"),
        ("will not end", "hang", "the server did not end when told to"),
        ("runs in circles", "hang", "the server used up its CPU time"),
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


def test_what_one_did_does_not_reach_the_next(outcomes: dict[str, RunOutput]) -> None:
    """The stubborn one was killed: the one after it has the port and the CPU to itself."""
    assert [bool(ran.parts["packets"]) for ran in outcomes.values()] == [True, False, False, True, True]

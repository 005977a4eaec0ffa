"""Many clients of one server: what is made of their trials, and the runner's own part of it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from patchkit.lab.model.scenario import Scenario
from patchkit.lab.model.trial import Trial
from patchkit.lab.report.report import Timing, html, markdown
from patchkit.lab.results.results import results
from patchkit.lab.runner import capture as runner
from patchkit.lab.runner.capture import FRAME, RECORD, Capture
from patchkit.lab.runner.crowd import Crowd
from patchkit.lab.runner.experiment import Experiment
from patchkit.lab.runner.task import kind
from tests.support.lab.scripted_peers import needs_namespaces, trial_of
from tests.support.lab.synthetic import campaign, crowd, references, trial

FIRST, OTHER = "2.6.14", "2.6.14+retransmit"


def of(cell: str, number: int, cpu: float, *seconds: float | None) -> Trial:
    whole = None not in seconds
    used: Any = {"client": 1.0, "server": cpu}
    return trial(cell, number, 9.0 if whole else "timeout", crowd=crowd(*seconds), cpu=used)


def test_what_crowds_show() -> None:
    this = campaign(trials=2)
    first, other = (cell.id for cell in this.cells)
    summary = results(this, [
        of(first, 1, 2.0, 1.0, 2.0, None), of(first, 2, 4.0, 3.0, 4.0, 5.0),
        of(other, 1, 3.0, 1.0, 1.0, 1.0), of(other, 2, 6.0, 1.0, 1.0, 2.0),
    ])  # fmt: skip
    stock, patched = (cell.crowd for cell in summary.cells)
    assert stock is not None
    assert patched is not None
    assert (stock.trials, stock.clients, stock.completed) == (2, 6, 5)
    assert (stock.median, stock.p99) == (3.5, None)
    assert (patched.completed, patched.median, patched.p90) == (6, 1.0, 2.0)
    assert stock.server_cpu is not None
    assert stock.server_cpu.value == 3.0
    assert stock.opcodes["up"] == {"P_ACK_V1": 10, "P_CONTROL_HARD_RESET_CLIENT_V2": 1, "P_CONTROL_V1": 13}
    (compared,) = summary.comparisons
    assert compared.server_cpu_ratio is not None
    assert (compared.server_cpu_ratio.value, compared.only_this) == (1.5, 1)
    assert summary.tests == 3  # the server's CPU time is estimated, not tested


def test_two_peers_are_no_crowd() -> None:
    this = campaign(trials=1)
    summary = results(this, [trial(cell.id, 1, 2.0) for cell in this.cells])
    assert [cell.crowd for cell in summary.cells] == [None, None]
    assert summary.comparisons[0].server_cpu_ratio is None
    assert "Crowds" not in markdown(this, summary, Timing(guest_seconds=1, wall_seconds=1, jobs=1))


def test_a_report_names_the_servers_cpu_time_with_its_interval() -> None:
    this = campaign(trials=12)
    trials = [
        of(cell.id, number, (1 + arm) * (2 + number / 100), 1.0, 2.0 + number)
        for number in range(1, 13)
        for arm, cell in enumerate(this.cells)
    ]
    summary = results(this, [*references(this), *trials])
    ratio = summary.comparisons[0].server_cpu_ratio
    assert ratio is not None
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low <= ratio.value == 2 <= ratio.high
    timing = Timing(guest_seconds=1, wall_seconds=1, jobs=1)
    report = markdown(this, summary, timing)
    row = next(line for line in report.partition("Crowds")[2].splitlines() if OTHER in line)
    assert "| 12 | 24 | 24 |" in row
    assert row.endswith("| 2.000 (2.000 to 2.000) |")
    assert "against the first arm" in html(this, [*references(this), *trials], summary, timing)


def test_who_runs_an_order() -> None:
    assert kind({"run": "handshake"}) is Experiment
    assert kind({"run": "handshake", "crowd": {}}) is Crowd


def test_of_a_storm_the_first_frames_are_kept_and_all_packets_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = FRAME.pack(1, 0, 4, 4) + b"data"

    def drain_one(self: Capture, *_: object) -> None:
        self.records += RECORD.pack(1, 0, 0x20, 4, 7, 9)
        self.frames += frame

    monkeypatch.setattr(Capture, "_drain", drain_one)
    monkeypatch.setattr(runner, "_FRAMES", 3 * len(frame))
    capture = Capture(1194, 9)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stand_in:
        capture.sockets = [(stand_in, 0, 1)]
    for _ in range(5):
        capture.drain()
    assert capture.frames == 3 * frame
    assert len(capture.records) == 5 * RECORD.size


CLIENT = b"""
import os, socket, sys, time
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.connect(("10.77.2.2", 1194))
link.settimeout(2)
print("UDP link remote: the server", flush=True)
link.send(bytes([0x38]) + os.urandom(20))
answer = link.recv(2000)
if answer[-1] != ord("4"):  # the fourth one to come is never done
    time.sleep(0.2)
    print("done", flush=True)
time.sleep(60)
"""
SERVER = b"""
import socket
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.bind(("10.77.2.2", 1194))
print("ready", flush=True)
seen = 0
while True:
    said, whom = link.recvfrom(2000)
    seen += 1
    link.sendto(bytes([0x40]) + said[1:] + b"%d" % seen, whom)
"""


@pytest.mark.slow
@needs_namespaces
@pytest.mark.parametrize(("clients", "outcome", "completed"), [(2, "completed", 2), (4, "timeout", 3)])
def test_clients_are_started_and_each_is_timed(clients: int, outcome: str, completed: int) -> None:
    scenario = Scenario(summary="a test", clients=clients, spread_s=1, limit_s=9)
    crowd_trial, ran = trial_of(scenario, CLIENT, SERVER)
    assert (crowd_trial.outcome, crowd_trial.detail) == (outcome, "")
    assert crowd_trial.crowd is not None
    assert crowd_trial.crowd.completed == completed
    assert all(0.19 < seconds < 9 for seconds in crowd_trial.crowd.seconds if seconds is not None)
    assert crowd_trial.traffic["up"].opcodes == {"P_CONTROL_HARD_RESET_CLIENT_V2": clients}
    assert crowd_trial.traffic["down"].opcodes == {"P_CONTROL_HARD_RESET_SERVER_V2": clients}
    assert ran.parts["client.log"].count(b"link remote") == clients
    assert b"== client 1 ==" in ran.parts["client.log"]
    assert crowd_trial.cpu["client"] > 0 < crowd_trial.cpu["server"]


def test_the_guest_compiles_it_only_for_a_crowd() -> None:
    """What machine.py imports is paid for by all; see the note on perform."""
    package = Path(runner.__file__).parent
    importing = [path.name for path in package.glob("*.py") if "crowd import" in path.read_text()]
    assert importing == ["task.py"]

"""Trials whose peers are Python programs of a test's own: orders as the lab gives them, without OpenVPN and netem."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import Any

import pytest

from patchkit.lab.link import netns
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.run_output import RunOutput
from patchkit.lab.link.runner_order import Turn, order
from patchkit.lab.model.scenario import Scenario
from patchkit.lab.model.trial import Trial
from patchkit.lab.observe.trial_from_run import observed
from patchkit.lab.runner.network import PLAIN
from patchkit.releases.version import Version

needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or any(shutil.which(tool) is None for tool in ("ip", "tc", "nft", "ping")),
    reason="needs root and the link's tools",
)
_ANY = Version("2.6.14")


def trial_of(scenario: Scenario, client: bytes, server: bytes) -> tuple[Trial, RunOutput]:
    """One trial of Python programs in this host's namespaces, which say when they are "ready" (server) and "done"."""
    real: dict[str, Any] = json.loads(json.dumps(order(scenario, _ANY, _ANY, [Turn(seed=1, keep_logs=True)])))
    scripted = {
        **real,
        "peers": {
            side: {
                "command": [f"peers/{side}"],
                "ready": "ready",
                "done": "done",
                # What openvpn counts is counted of them too, but they never renegotiate.
                "count": {kind: "done" if kind == "completions" else "never said" for kind in peer["count"]},
            }
            for side, peer in real["peers"].items()
        },
        "soak": {**real["soak"], "address": "10.77.2.2"},  # they make no tunnel: the server itself is asked
        # No netem: not every kernel has it.
        "turns": [{**turn, "qdiscs": {"up": PLAIN, "down": PLAIN}} for turn in real["turns"]],
    }
    python = f"#!{sys.executable}\n".encode()
    files = {"peers/client": python + client, "peers/server": python + server, "credentials/none": b""}
    (output,) = netns.run(files, scripted, wall_limit=60, groups=ProcessGroups())
    return observed("cell", 1, 1, scenario, output.outcome, output.parts), output

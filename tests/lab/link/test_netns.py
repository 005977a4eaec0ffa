"""The link 'netns' on a kernel that has netem, whatever this host's has: inside the lab's guest, one boot for all."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import LinkError
from patchkit.jobs.lab.arms import ArmRequest
from patchkit.jobs.lab.campaign import run
from patchkit.jobs.lab.links import materials
from patchkit.jobs.lab.request import NewCampaignRequest
from patchkit.lab.guest.image import Guest
from patchkit.lab.link import netns
from patchkit.lab.link.binaries import Binary, BinaryRequest
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.run_output import RunOutput
from patchkit.lab.link.runner_order import Turn, order
from patchkit.lab.model.scenario import Scenario, built_in
from patchkit.lab.model.trial import DIRECTIONS, Trial
from patchkit.lab.observe.trial_from_run import observed
from patchkit.releases.version import Version
from patchkit.ui import Ui
from tests.conftest import PINNED, ROOT, Run
from tests.support.lab.booted import booted, netns_files

STEPS = ROOT / "tests/support/lab/netns_steps.py"
SCENARIOS: Mapping[str, Scenario] = {
    "clean": built_in()["clean"],
    "loss-20": built_in()["loss-20"],
    "dead": Scenario.model_validate({"summary": "nothing arrives", "both": {"loss": 100}}),
}
SEEDS = {"clean": [1], "loss-20": [1, 2, 3], "dead": [1]}
COMMAND = ["lab", "run", "--link", "netns", "--version", PINNED, "--engine", "host"]


@pytest.fixture(scope="module")
def heard(the_guest: Guest, programs: Mapping[str, Binary], shared_cache: Cache) -> Mapping[str, RunOutput]:
    """What the steps said, by name."""
    version = Version.parse(PINNED)
    orders = {name: order(SCENARIOS[name], version, version, list(map(Turn, SEEDS[name]))) for name in SCENARIOS}
    files = materials(programs["retransmit"], programs["stock"], "leaf-ec", shared_cache)
    inside = {f"materials/{path}": data for path, data in files.items()}
    return booted(the_guest, STEPS, {**inside, "orders.json": json.dumps(orders).encode()})


def trial(heard: Mapping[str, RunOutput], step: str, name: str, seed: int = 1) -> Trial:
    return observed(name, seed, seed, SCENARIOS[name], heard[step].outcome, heard[step].parts)


# Inside the machine.


@pytest.mark.slow
@pytest.mark.parametrize(("step", "seeded"), [("check", True), ("old tc", False)])
def test_check_gives_what_there_is_and_leaves_nothing(
    heard: Mapping[str, RunOutput], the_guest: Guest, step: str, *, seeded: bool
) -> None:
    assert heard[step].outcome == {"returned": {"release": the_guest.release, "seeded": seeded}, "left": []}


@pytest.mark.slow
@pytest.mark.parametrize("step", ["clean 1", "beside clean"])
def test_a_handshake_on_a_clean_link(heard: Mapping[str, RunOutput], step: str) -> None:
    seen = trial(heard, step, "clean")
    assert (seen.outcome, seen.detail) == ("completed", "")
    assert seen.seconds is not None
    assert 0.3 < seen.seconds < 3  # at least three round trips of 100 ms
    for direction in DIRECTIONS:
        carried = seen.traffic[direction]
        assert (carried.dropped, carried.duplicated, carried.reordered, carried.ruled_out) == (0, 0, 0, 0)
        assert carried.sent == carried.delivered > 3
        assert carried.delay_ms == pytest.approx(50, abs=1)
        assert carried.control > 2
        assert carried.acks > 0
        assert carried.control_bytes > 100
    assert seen.traffic["up"].opcodes["P_CONTROL_HARD_RESET_CLIENT_V2"] == 1
    assert seen.traffic["down"].opcodes["P_CONTROL_HARD_RESET_SERVER_V2"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("step", ["loss-20", "unseeded"])
def test_handshakes_on_a_link_that_loses_a_fifth(heard: Mapping[str, RunOutput], step: str) -> None:
    seen = [trial(heard, f"{step} {seed}", "loss-20", seed) for seed in SEEDS["loss-20"]]
    if step == "unseeded":  # no losses are known beforehand: it may take too long
        assert {handshake.outcome for handshake in seen} <= {"completed", "timeout"}
    else:
        assert [(handshake.outcome, handshake.detail) for handshake in seen] == [("completed", "")] * len(seen)
    carried = [handshake.traffic[direction] for handshake in seen for direction in DIRECTIONS]
    assert all(traffic.delay_ms == pytest.approx(50, abs=1) for traffic in carried)
    assert 0.02 < sum(traffic.dropped for traffic in carried) / sum(traffic.sent for traffic in carried) < 0.5
    assert all(traffic.sent == traffic.delivered + traffic.dropped for traffic in carried)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["after clean", "after loss-20", "after unseeded", "after side by side"])
def test_a_run_leaves_nothing(heard: Mapping[str, RunOutput], step: str) -> None:
    assert heard[step].outcome["left"] == []


@pytest.mark.slow
def test_two_runs_side_by_side_have_namespaces_of_their_own(heard: Mapping[str, RunOutput]) -> None:
    assert trial(heard, "beside clean", "clean").outcome == "completed"
    assert trial(heard, "beside loss-20", "loss-20").outcome == "completed"
    names = heard["after side by side"].outcome["namespaces"]
    assert isinstance(names, list)
    assert len(names) == 6  # two clients, two routers, two servers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("stopped", "killed by SIGKILL"),
        ("runner killed", "its runner was killed by SIGKILL"),
        ("too late", "it was still running after 10 s"),
    ],
)
def test_a_run_that_is_cut_short_leaves_nothing(heard: Mapping[str, RunOutput], step: str, why: str) -> None:
    refusal = heard[step].outcome
    assert refusal["acted"]
    assert refusal["what"] == "a trial on the link 'netns' gave no answer"
    assert why in str(refusal["why"])
    assert "--link uml" in str(refusal["advice"])
    assert refusal["left"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "what", "why", "advice"),
    [
        ("no netem", "this host's kernel cannot be the link", "qdisc", "--link uml"),
        ("no root", "the link 'netns' needs root", "it makes network namespaces", "--link uml"),
        ("no nft", "tools for the link 'netns' are missing", "nftables", "apt-get install nftables; --link uml"),
        ("no ip and tc", "tools for the link 'netns' are missing", "iproute2", "apt-get install iproute2; --link"),
    ],
)
def test_check_refuses(heard: Mapping[str, RunOutput], step: str, what: str, why: str, advice: str) -> None:
    refusal = heard[step].outcome
    assert refusal.get("what") == what, refusal
    assert why in str(refusal["why"])
    assert advice in str(refusal["advice"])
    assert refusal["left"] == []


# On this host.


def test_the_guests_python_can_import_it(tmp_path: Path) -> None:
    """With nothing but the files that booted.py puts there, and without the packages of this environment."""
    for path, data in netns_files().items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import patchkit.lab.link.netns as n; print(n.__file__)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(tmp_path / "patchkit/lab/link/netns.py"), done.stderr


def test_a_host_is_the_link_or_says_why_not() -> None:
    before = namespaces()
    try:
        answer = netns.check().release
    except LinkError as error:
        answer = error.advice
    assert answer == platform.release() or answer.endswith("--link uml, the default, needs none of this")
    assert namespaces() == before


def test_without_the_tools_nothing_is_built(patchkit: Run, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("root is asked for first")
    refused(patchkit, tmp_path, only(tmp_path, "ip", "tc"), "apt-get install iputils-ping nftables;")


def test_without_netem_nothing_is_built(patchkit: Run, tmp_path: Path) -> None:
    """The words are those of a real one, on a kernel without the module; the machine has the real thing above."""
    if os.geteuid() != 0:
        pytest.skip("root is asked for first")
    tools = only(tmp_path, "tc", "nft", "ping")
    says_no = tools / "ip"
    says_no.write_text("#!/bin/sh\ncase $* in *tc*) echo 'Error: Specified qdisc kind is unknown.' >&2; exit 2; esac\n")
    says_no.chmod(0o755)
    stderr = refused(patchkit, tmp_path, tools, "--link uml, the default, needs none of this")
    assert "Specified qdisc kind is unknown." in stderr


def test_without_root_nothing_is_built(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ui: Ui) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    stock = BinaryRequest(PINNED)
    request = NewCampaignRequest(
        arms=[ArmRequest.both(stock)], scenarios={"clean": SCENARIOS["clean"]}, link="netns", out=tmp_path / "report"
    )
    with pytest.raises(LinkError, match="needs root") as refusal:
        run(request, Context(cache, ui))
    assert "--link uml" in refusal.value.advice
    assert not cache.root.exists()
    assert not request.out.exists()


def test_a_runner_that_has_just_ended_does_not_keep_others_alive() -> None:
    gone = subprocess.Popen(["true"], process_group=0)
    gone.wait()
    with subprocess.Popen(["sleep", "60"], process_group=0) as other:
        alive = ProcessGroups()
        alive.add(gone.pid)
        alive.add(other.pid)
        alive.stop()
        assert other.wait(10) == -9


def refused(patchkit: Run, tmp_path: Path, tools: Path, advice: str) -> str:
    """Exit code 63 with advice; nothing was fetched, built or written."""
    done = patchkit(*COMMAND, env={"PATH": str(tools), "PATCHKIT_CACHE": str(tmp_path / "cache")})
    assert done.returncode == LinkError.exit_code == 63, done.stderr
    assert advice in " ".join(done.stderr.split())
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "report").exists()
    return done.stderr


def only(tmp_path: Path, *tools: str) -> Path:
    """A folder for PATH with these alone; they do nothing, and do it well."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for tool in tools:
        (folder / tool).write_text("#!/bin/sh\n")
        (folder / tool).chmod(0o755)
    return folder


def namespaces() -> list[str]:
    place = Path("/run/netns")
    return sorted(path.name for path in place.iterdir()) if place.exists() else []

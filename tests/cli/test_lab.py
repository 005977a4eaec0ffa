"""What `patchkit lab` refuses, before anything is built."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from patchkit.cli.lab_run import TopologyChoice, WrapChoice, run
from patchkit.errors import BadUsageError, ReportError, ScenarioError
from patchkit.lab.report.folder import Folder
from tests.conftest import Run
from tests.support.lab.synthetic import campaign


def lab_run(folder: Path, **asked: Any) -> None:
    inspect.unwrap(run)(**{"out": folder / "report", **asked})


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({}, "no arm is named"),
        ({"arm": ["2.6.14:2.5.1"], "variant": ["stock"]}, "--variant needs --version"),
        ({"arm": ["2.6.14 tls-timeout 1"]}, "not a build with options"),
        ({"arm": ["2.6.14 --remote 10.1.1.1"]}, "--remote is set by the lab itself"),
        ({"arm": ["2.6.14 --setenv opt daemon"]}, "--daemon is set by the lab itself"),
        ({"arm": ["2.6.14 --proto sctp"]}, "--proto sctp: the lab has udp and tcp"),
        ({"arm": ['2.6.14 --x "']}, "cannot be split into words"),
        ({"client": "2.6.14 --proto tcp", "server": "2.5.1"}, "--proto differs"),
        ({"arm": ["2.6.14:2.5.1"], "client": "2.6.14"}, "--arm names both sides"),
        ({"arm": [":2.5.1"]}, "'' names no build"),
        ({"arm": ["2.6.14+"]}, "names no build"),
        ({"client": "2.6.14"}, "--client and --server name one side each"),
        ({"server": "2.6.14"}, "--client and --server name one side each"),
        ({"client": "2.6.14", "server": "2.5.1", "variant": ["retransmit"]}, "--variant needs --version"),
        ({"variant": ["retransmit"]}, "--variant needs --version"),
        ({"resume": True, "trials": 500}, "all that the report was asked for"),
        ({"resume": True, "seed": 0}, "all that the report was asked for"),
    ],
)
def test_command_lines_that_do_not_make_sense(tmp_path: Path, asked: dict[str, Any], what: str) -> None:
    with pytest.raises(BadUsageError) as caught:
        lab_run(tmp_path, **asked)
    assert what in caught.value.what
    assert list(tmp_path.iterdir()) == []


def test_two_scenarios_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[scenario.clean]\nsummary = "not the built-in one"\n')
    with pytest.raises(BadUsageError, match="two scenarios clean"):
        lab_run(tmp_path, version="2.6.14", scenario=["clean", str(tmp_path / "mine.toml")])


@pytest.mark.parametrize(
    "asked",
    [
        {"scenario": ["soak-15"], "topology": TopologyChoice.p2p},
        {"scenario": ["lose-ack-of-2"], "wrap": WrapChoice.tls_crypt},
        {"scenario": ["los-20"]},
        {"credentials": ["leaf-rsa1024"]},
    ],
    ids=str,
)
def test_scenarios_that_do_not_make_sense(tmp_path: Path, asked: dict[str, Any]) -> None:
    with pytest.raises(ScenarioError):
        lab_run(tmp_path, version="2.6.14", **asked)


def test_the_same_scenario_twice_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another option, too: it gets as far as to the folder, which is none."""
    (tmp_path / "report").touch()
    from patchkit.errors import StorageError

    with pytest.raises(StorageError):
        lab_run(tmp_path, version="2.6.14", scenario=["loss-20", "loss-20"], wrap=WrapChoice.tls_auth)


def test_resume_wants_a_report(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="is not a report"):
        lab_run(tmp_path, resume=True)
    Folder(tmp_path / "report").begin(campaign())
    (tmp_path / "report/campaign.json").write_text("{}")
    with pytest.raises(ReportError, match="not a campaign of this patchkit"):
        lab_run(tmp_path, resume=True)


def test_exit_codes(tmp_path: Path, patchkit: Run) -> None:
    done = patchkit("lab", "run", "--resume", "--out", "none")
    assert (done.returncode, done.stdout) == (64, "")
    assert "none is not a report" in done.stderr
    nothing = {"PATH": "", "PATCHKIT_CACHE": str(tmp_path / "cache"), "DOCKER_HOST": "unix:///nowhere"}
    done = patchkit("lab", "run", "--version", "2.6.14", "--link", "machine", env=nothing)
    assert (done.returncode, done.stdout) == (61, "")
    assert "qemu-system-x86_64 is not in PATH" in done.stderr
    assert "--link netns" in done.stderr
    done = patchkit("lab", "run", "--version", "2.6.14", env=nothing)
    assert (done.returncode, done.stdout) == (61, "")
    assert "the lab's kernel can't be compiled" in done.stderr
    assert not (tmp_path / "report").exists()
    done = patchkit("lab", "run", "--arm", "2.6.14", "--client", "2.6.14")
    assert (done.returncode, done.stdout) == (2, "")

"""From what was asked for to arms, cells and a campaign."""

from __future__ import annotations

import pytest

from patchkit.errors import BadUsageError, ScenarioError
from patchkit.lab.link.binaries import BinaryRequest
from patchkit.lab.model.campaign import Campaign, LinkDescription, Program
from patchkit.lab.model.new_campaign import arm, campaign
from patchkit.lab.model.scenario import Scenario, built_in

MACHINE = LinkDescription(link="qemu", guest="ef" * 32, qemu="7.2.15", kernel="6.12", shift=10)


def program(name: str) -> Program:
    request = BinaryRequest.parse(name)
    return Program(
        release=request.version, variant=request.variant, guard=request.guard, version=request.version, sha256="00"
    )


def made(names: list[str], scenarios: dict[str, Scenario], credentials: tuple[str, ...] = ()) -> Campaign:
    arms = [
        arm(program(client), program(server or client)) for client, _, server in (name.partition(":") for name in names)
    ]
    return campaign(arms, scenarios, credentials, seed=3, trials=7, machine=MACHINE)


def some(*names: str) -> dict[str, Scenario]:
    return {name: built_in()[name] for name in names}


def test_every_arm_over_every_scenario_with_all_credentials() -> None:
    todo = made(["2.6.14", "2.6.14+retransmit"], some("loss-20", "loss-10"), ("leaf-ec", "chain-3"))
    assert [cell.id for cell in todo.cells][:3] == [
        "2.6.14/loss-20/leaf-ec",
        "2.6.14+retransmit/loss-20/leaf-ec",
        "2.6.14/loss-20/chain-3",
    ]
    assert len({cell.id for cell in todo.cells}) == 2 * 2 * 2
    # Both scenarios differ by their losses alone: one lossless cell for each kind of credentials.
    assert [cell.id for cell in todo.reference] == ["2.6.14/reference/leaf-ec", "2.6.14/reference/chain-3"]
    assert todo.scenarios["reference"].up == todo.scenarios["reference"].down == built_in()["clean"].up
    assert todo.cell("2.6.14/reference/chain-3") == todo.reference[1]
    assert todo.cell("another") is None
    assert Campaign.model_validate_json(todo.model_dump_json()) == todo
    assert (todo.seed, todo.trials, todo.machine) == (3, 7, MACHINE)


def test_a_scenarios_own_credentials_and_a_reference_for_each_set_up() -> None:
    todo = made(["2.6.14"], some("loss-20", "satellite", "lose-ack-of-8", "ack-loss-20"))
    assert {cell.credentials for cell in todo.cells if cell.scenario == "lose-ack-of-8"} == {"chain-8"}
    assert {cell.scenario for cell in todo.reference} == {"reference", "reference-2"}
    assert todo.scenarios["reference-2"].up.delay_ms == 350
    assert all(todo.scenarios[cell.scenario].drop == [] for cell in todo.reference)


def test_an_arm_is_named_by_its_options_and_changes_the_scenario() -> None:
    stock, patched = program("2.6.14"), program("2.6.14+recommended")
    assert arm(stock, stock, ["--tls-timeout", "1"], ["--tls-timeout", "1"]).name == "2.6.14 --tls-timeout 1"
    assert arm(stock, patched, proto="tcp").name == "2.6.14:2.6.14+recommended --proto tcp"
    sides = arm(stock, patched, ["--a", "b c"])
    assert sides.name == "2.6.14 --a 'b c':2.6.14+recommended"
    scenario = built_in()["shaped"]
    assert sides.over("shaped", scenario).client_options == ["--shaper", "1000", "--a", "b c"]
    assert sides.over("shaped", scenario).server_options == []
    assert arm(stock, stock, proto="tcp").over("shaped", scenario).proto == "tcp"
    assert arm(stock, stock).over("shaped", scenario) is scenario
    with pytest.raises(ScenarioError) as refusal:
        arm(stock, stock, proto="tcp").over("lose-ack-of-8", built_in()["lose-ack-of-8"])
    assert "a segment has no opcode" in refusal.value.why


def test_what_is_no_handshake_has_no_reference() -> None:
    assert made(["2.6.14"], some("soak-15", "reconnect-20")).reference == []


def test_arms_are_named_after_their_sides() -> None:
    todo = made(["2.6.14", "2.6.14+retransmit:2.5.1", "2.6.14+retransmit.guard"], some("clean"))
    assert [campaign_arm.name for campaign_arm in todo.arms] == [
        "2.6.14",
        "2.6.14+retransmit:2.5.1",
        "2.6.14+retransmit.guard",
    ]


def test_an_arm_is_not_compared_with_itself() -> None:
    with pytest.raises(BadUsageError, match=r"2\.6\.14 is named twice"):
        made(["2.6.14", "2.5.1", "2.6.14+stock"], some("clean"))


def test_patchkits_own_names_are_taken() -> None:
    for name in ("reference", "reference-2"):
        with pytest.raises(BadUsageError, match="cannot be called reference"):
            made(["2.6.14"], {name: built_in()["clean"]})

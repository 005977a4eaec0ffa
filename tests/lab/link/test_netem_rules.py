"""The words for tc and nft: as text, and, for rules, in the kernel, with packets as OpenVPN puts them on the wire."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from patchkit.lab.link import netem_rules
from patchkit.lab.model.scenario import Drop, Outage, Scenario, Wrap, built_in
from patchkit.lab.model.trial import DIRECTIONS
from patchkit.lab.runner.task import PORT

CLIENT_ID, SERVER_ID, AUTH = b"clientid", b"serverid", bytes(range(100, 128))
ACK, CONTROL, RESET, DATA = 5, 4, 7, 9
NFT = shutil.which("nft")

# Sends what comes on stdin as a list of hex to the port, on a loopback of its own where the rules are, and
# prints which arrived; the rules' counters, too.
SEND = """
import json, socket, subprocess, sys
rules, port, packets, more = json.load(sys.stdin)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
for one in more:
    subprocess.run(["nft", "-f", "-"], input=one, text=True, check=True)
there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
there.bind(("127.0.0.1", port))
there.setblocking(False)
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
came = []
for packet in packets:
    try:
        here.sendto(bytes.fromhex(packet), ("127.0.0.1", port))
        came.append(there.recv(2000).hex() == packet)
    except (BlockingIOError, PermissionError):
        came.append(False)
said = subprocess.run(["nft", "-j", "list", "counters"], capture_output=True, text=True, check=True).stdout
print(json.dumps([came, said]))
"""


def can_unshare() -> bool:
    return (
        os.geteuid() == 0
        and subprocess.run(["unshare", "-n", "true"], check=False, capture_output=True).returncode == 0
    )


def scenario(*drops: Drop, wrap: Wrap = "none", **more: Any) -> Scenario:
    return Scenario(summary="a test", drop=list(drops), wrap=wrap, **more)


def packet(opcode: int, *, acks: list[int] | None = None, number: int = 0, wrap: Wrap = "none") -> str:
    """As session_id_write, tls_wrap_control and reliable_ack_write put it together; in hex."""
    if opcode == DATA:
        return (bytes([opcode << 3]) + b"\0\0\1" + bytes(40)).hex()
    out = bytes([opcode << 3]) + CLIENT_ID + (AUTH if wrap == "tls-auth" else b"")
    out += bytes([len(acks or [])]) + b"".join(ack.to_bytes(4, "big") for ack in acks or [])
    out += SERVER_ID if acks else b""
    if opcode != ACK:
        out += number.to_bytes(4, "big") + b"TLS record"
    return out.hex()


def sent(asked: Scenario, packets: list[str], *more: str) -> tuple[list[bool], int]:
    """Which of the client's packets the rules let through, and how many they say that they dropped."""
    rules = netem_rules.rules(asked).replace("hook forward", "hook input")
    on_loopback = [text.replace('"toclient"', '"lo"') for text in (rules, *more)]
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", SEND], check=True, capture_output=True, text=True,
        input=json.dumps([on_loopback[0], PORT, packets, on_loopback[1:]]),
    )  # fmt: skip
    came, ruleset = json.loads(done.stdout)
    counters = [item["counter"] for item in json.loads(ruleset)["nftables"] if "counter" in item]
    return came, next(counter["packets"] for counter in counters if counter["name"] == "ruled_up")


in_kernel = pytest.mark.skipif(NFT is None or not can_unshare(), reason="wants nft, root and a network namespace")


def test_seeds_are_the_same_everywhere() -> None:
    assert netem_rules.derived(1, "trial", 1) == 6848751910893015451
    assert netem_rules.derived(0) == 3456079177858693020
    assert netem_rules.derived(7, "up") != netem_rules.derived(7, "down")
    assert all(0 <= netem_rules.derived(n, "x") < 1 << 63 for n in range(200))


def test_nothing_to_drop_is_no_rules() -> None:
    assert netem_rules.rules(scenario()) == ""
    assert netem_rules.outages(scenario()) == []


def test_a_rule_counts_from_the_udp_header() -> None:
    # 8 bytes of UDP, the opcode, 8 bytes of session ID: byte 17 says how many ACKs there are.
    plain = netem_rules.rules(scenario(Drop(direction="up", kind="ack", acknowledges=2)))
    assert "@th,64,5 5 @th,136,8 != 0  @th,144,32 2 " in plain.replace("0 @", "0  @")
    wrapped = netem_rules.rules(scenario(Drop(direction="up", kind="ack", acknowledges=2), wrap="tls-auth"))
    assert f"@th,{136 + 28 * 8},8 != 0 " in wrapped
    assert f"@th,{144 + 28 * 8},32 2 " in wrapped


@in_kernel
@pytest.mark.parametrize("name", [name for name, candidate in built_in().items() if candidate.drop or candidate.outage])
def test_nft_takes_the_built_in_scenarios_rules(name: str) -> None:
    built_in_scenario = built_in()[name]
    text = netem_rules.rules(built_in_scenario) + "".join(rules for _, rules in netem_rules.outages(built_in_scenario))
    done = subprocess.run(
        ["unshare", "-n", "nft", "-c", "-f", "-"], input=text, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + text


@in_kernel
@pytest.mark.parametrize("wrap", ["none", "tls-auth"])
def test_a_packet_is_told_by_its_id_behind_any_number_of_acks(wrap: Wrap) -> None:
    dropping = scenario(Drop(direction="up", kind="control", packet_id=3), wrap=wrap)
    same = [packet(CONTROL, acks=list(range(count)), number=3, wrap=wrap) for count in range(9)]
    # Neither ACKs of 3, nor other IDs, nor pure ACKs and data are meant.
    others = [packet(CONTROL, acks=[3] * count, number=2, wrap=wrap) for count in range(9)]
    others += [packet(ACK, acks=[3, 3], wrap=wrap), packet(DATA), packet(RESET, number=0, wrap=wrap)]
    assert sent(dropping, same + others) == ([False] * len(same) + [True] * len(others), len(same))


@in_kernel
@pytest.mark.parametrize("wrap", ["none", "tls-auth"])
def test_an_ack_is_told_by_its_first_id(wrap: Wrap) -> None:
    dropping = scenario(Drop(direction="up", kind="ack", acknowledges=2, nth=[1, 3]), wrap=wrap)
    packets = [
        packet(ACK, acks=[1], wrap=wrap),
        packet(CONTROL, acks=[2], number=2, wrap=wrap),
        packet(ACK, acks=[2], wrap=wrap),  # the first
        packet(ACK, acks=[2, 1], wrap=wrap),
        packet(ACK, acks=[1, 2], wrap=wrap),
        packet(ACK, acks=[2, 5, 6], wrap=wrap),  # the third
        packet(ACK, acks=[2], wrap=wrap),
    ]
    assert sent(dropping, packets) == ([True, True, False, True, True, False, True], 2)


@in_kernel
def test_the_nth_is_counted_over_all_numbers_of_acks() -> None:
    """The first sending carries an ACK, the next one none: they are the first and the second all the same."""
    dropping = scenario(Drop(direction="up", kind="control", packet_id=3, nth=[1]))
    packets = [packet(CONTROL, acks=acks, number=3) for acks in ([1], [], [1, 2], [])]
    assert sent(dropping, packets) == ([False, True, True, True], 1)


@in_kernel
def test_each_rule_sees_what_the_ones_before_it_let_through() -> None:
    dropping = scenario(Drop(direction="up", kind="data"), Drop(direction="up", nth=[2]), Drop(direction="down"))
    packets = [packet(DATA), packet(RESET), packet(DATA), packet(CONTROL), packet(CONTROL)]
    assert sent(dropping, packets) == ([False, True, False, False, True], 3)


def test_an_outage_kills_both_directions_and_ends() -> None:
    moments = netem_rules.outages(scenario(outage=[Outage(at_s=1, for_s=2)]))
    assert [when for when, _ in moments] == [1, 3]
    assert all(f'iifname "{device}"' in moments[0][1] for device in ("toclient", "toserver"))
    assert all(
        f"ruled_{direction}" in netem_rules.rules(scenario(outage=[Outage(at_s=1, for_s=2)]))
        for direction in DIRECTIONS
    )
    assert moments[1][1] == "flush chain ip lab outage\n"


@pytest.mark.parametrize(
    ("outages", "moments"),
    [
        ([(0, 10), (10, 5)], [0, 15]),  # one begins as the other ends
        ([(0, 20), (5, 2)], [0, 20]),  # one within another
        ([(8, 4), (0, 9)], [0, 12]),
        ([(5, 1), (1, 1)], [1, 2, 5, 6]),
    ],
)
def test_outages_that_touch_are_one(outages: list[tuple[float, float]], moments: list[float]) -> None:
    with_outages = scenario(outage=[Outage(at_s=at, for_s=length) for at, length in outages])
    assert [when for when, _ in netem_rules.outages(with_outages)] == moments
    assert ["flush" in rules for _, rules in netem_rules.outages(with_outages)] == [False, True] * (len(moments) // 2)


@in_kernel
def test_an_outage_counts_what_the_capture_counts() -> None:
    packets = [packet(DATA), packet(CONTROL)]
    with_outage = scenario(outage=[Outage(at_s=1, for_s=2)])
    (_, dead), (_, alive) = netem_rules.outages(with_outage)
    assert sent(with_outage, packets, dead) == ([False, False], 2)
    assert sent(with_outage, packets, dead, alive) == ([True, True], 0)
    # In a soak, data packets are not counted as sent, so they can't be counted as ruled out.
    soak = scenario(outage=[Outage(at_s=1, for_s=2)], run="soak")
    assert sent(soak, packets, netem_rules.outages(soak)[0][1]) == ([False, False], 1)

"""The peers' command lines, against docs/old-peers.md."""

from __future__ import annotations

from typing import Any

import pytest

from patchkit.errors import ScenarioError
from patchkit.lab.link import openvpn_options
from patchkit.lab.model.scenario import Scenario
from patchkit.releases.version import Version
from tests.conftest import ROOT

V = Version.parse
TLS10 = "--tls-version-min 1.0 --tls-cert-profile insecure"
FALLBACK = "--data-ciphers-fallback"
LIST = "--data-ciphers AES-256-GCM:AES-128-GCM:AES-256-CBC"
CBC, GCM = "--cipher AES-256-CBC", "--cipher AES-256-GCM"
VERY_OLD = ["2.1.4", "2.2.3", "2.3.0", "2.3.2", "2.3.4", "2.3.6"]
OLD = ["2.3.3", "2.3.7", "2.3.18"]
NCP = ["2.4.0", "2.4.12", "2.5.1", "2.5.11"]
NEW = ["2.6.0", "2.6.14", "2.7_rc1", "2.7.6"]
P2P = [
    (VERY_OLD, f"{TLS10} {FALLBACK} AES-256-CBC", CBC),
    (OLD, f"{FALLBACK} AES-256-CBC", CBC),
    (NCP, f"{FALLBACK} AES-256-GCM", GCM),
    (NEW, "", ""),
]
SERVER = [(VERY_OLD, f"{TLS10} {LIST}", CBC), (OLD, LIST, CBC), (NCP, "", ""), (NEW, "", "")]


def scenario(**more: Any) -> Scenario:
    return Scenario(**{"summary": "a test", **more})


def line(side: openvpn_options.Side = "client", own: str = "2.6.14", other: str = "2.6.14", **more: Any) -> str:
    return " ".join(openvpn_options.command("openvpn", side, scenario(**more), V(own), V(other), verbosity="3"))


def for_old(side: openvpn_options.Side, own: str, other: str, topology: str) -> str:
    """What is added for the other one's sake."""
    whole = line(side, own, other, topology=topology)
    alone = line(side, "2.6.14", "2.6.14", topology=topology)
    assert whole.startswith(alone)
    return whole.removeprefix(alone).strip()


@pytest.mark.parametrize("modern", ["2.6.14", "2.7.6"])
@pytest.mark.parametrize(("topology", "rows"), [("p2p", P2P), ("server", SERVER)])
def test_old_peers_get_what_the_table_says(modern: str, topology: str, rows: list[tuple[list[str], str, str]]) -> None:
    document = (ROOT / "docs/old-peers.md").read_text()
    for releases, of_modern, of_old in rows:
        assert all(not words or f"`{words}`" in document for words in (of_modern, of_old))
        for release in releases:
            for old, new in (("client", "server"), ("server", "client")):
                assert for_old(new, modern, release, topology) == of_modern, (release, new)  # type: ignore[arg-type]
                assert for_old(old, release, modern, topology) == of_old, (release, old)  # type: ignore[arg-type]


def test_two_old_peers_agree_on_a_cipher() -> None:
    for client, other, topology, words in (
        ("2.3.18", "2.3.18", "server", CBC), ("2.5.1", "2.3.18", "p2p", CBC), ("2.3.18", "2.5.1", "p2p", CBC),
        ("2.4.12", "2.5.11", "p2p", GCM), ("2.4.12", "2.5.11", "server", ""), ("2.4.12", "2.3.2", "server", CBC),
    ):  # fmt: skip
        assert for_old("client", client, other, topology) == for_old("server", other, client, topology) == words


@pytest.mark.parametrize("side", ["client", "server"])
def test_between_2_5_and_a_peer_with_tls_1_0_the_newer_one_allows_it(side: openvpn_options.Side) -> None:
    """Built with OpenSSL 3, 2.5 refuses what 2.6 does; tests/jobs/build/test_interop.py has them meet."""
    other: openvpn_options.Side = "server" if side == "client" else "client"
    assert for_old(side, "2.5.11", "2.3.2", "p2p") == f"{TLS10} {CBC}"
    assert for_old(other, "2.3.2", "2.5.11", "p2p") == CBC


@pytest.mark.parametrize("topology", ["server", "p2p"])
def test_the_sides_differ_where_they_must(topology: str) -> None:
    client, server = (line(side, topology=topology) for side in ("client", "server"))
    assert "--remote 10.77.2.2 1194 --nobind" in client
    assert "--local 10.77.2.2 --port 1194" in server
    assert "--cert credentials/client.crt --key credentials/client.key" in client
    assert "--cert credentials/server.crt --key credentials/server.key" in server
    if topology == "p2p":
        assert "--tls-client --dev null" in client
        assert "--tls-server --dev null" in server
    else:
        assert "--client --dev tun0 --ping 10 --ping-restart 60" in client
        assert "--server 10.8.0.0 255.255.255.0" in server
        assert "--keepalive 10 60" in server
    assert {openvpn_options.DONE["p2p", side] for side in ("client", "server")} == {"Initialization Sequence Completed"}


def test_what_is_put_around_control_packets() -> None:
    assert "--tls-" not in line(wrap="none").replace("--tls-client", "")
    assert "--tls-auth credentials/ta.key 1" in line("client", wrap="tls-auth")
    assert "--tls-auth credentials/ta.key 0" in line("server", wrap="tls-auth")
    for side in ("client", "server"):
        assert "--tls-crypt credentials/ta.key" in line(side, wrap="tls-crypt")


def test_limits_and_soaks() -> None:
    plain = line()
    assert "--hand-window 60" in plain
    assert not {"--reneg-sec", "--tran-window", "--max-packet-size"} & set(plain.split())
    assert "--max-packet-size 1000" in line(max_packet_size=1000)
    soak = line(run="soak", reneg_s=30, tran_window_s=20)
    assert "--reneg-sec 30 --tran-window 20" in soak
    # Not below the limit, which may be broken: OpenVPN would give up before the trial does, or at once.
    for limit, window in ((0.5, 1), (1.9, 2), (60.0, 60)):
        assert f"--hand-window {window} " in line(limit_s=limit)


def test_a_scenarios_own_options_come_last() -> None:
    own = {"client_options": ["--mssfix", "0"], "server_options": ["--duplicate-cn"]}
    assert line("client", "2.6.14", "2.3.2", **own).endswith("--mssfix 0")
    assert line("server", "2.3.2", "2.6.14", **own).endswith("--duplicate-cn")


@pytest.mark.parametrize(
    ("more", "too_old", "known"),
    [({"wrap": "tls-crypt"}, "2.3.18", "2.4.0"), ({"max_packet_size": 1000}, "2.5.11", "2.6.0")],
)
def test_what_a_release_does_not_know_is_refused_before_it_runs(more: dict[str, Any], too_old: str, known: str) -> None:
    with pytest.raises(ScenarioError, match="^" + too_old + " has no --"):
        openvpn_options.refuse_unknown("mine", scenario(**more), V(too_old))
    openvpn_options.refuse_unknown("mine", scenario(**more), V(known))
    openvpn_options.refuse_unknown("mine", scenario(), V("2.1.0"))


def test_many_clients_share_a_certificate_and_take_whatever_device_is_free() -> None:
    assert "--dev tun --ping" in line("client", clients=2)
    assert "--duplicate-cn" in line("server", clients=2)
    assert "--dev tun0" in line("server", clients=2)
    assert "--duplicate-cn" not in line("server")

"""The command lines of the two openvpn processes of a trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from patchkit.errors import ScenarioError
from patchkit.lab.model.scenario import Scenario
from patchkit.lab.runner.task import PORT
from patchkit.releases.ranges import holds
from patchkit.releases.version import Version

Side = Literal["client", "server"]
SERVER_TUNNEL = "10.8.0.1"
_SERVER = "10.77.2.2"
# docs/old-peers.md has the reasons, and the log without each of them; each was found by leaving it out.
_OLD_TLS = ["--tls-version-min", "1.0", "--tls-cert-profile", "insecure"]
_CBC = "AES-256-CBC"
_GCM = "AES-256-GCM"
# The message that shows that a side is done. A server prints "Initialization Sequence Completed" before any client
# comes.
DONE = {
    ("server", "server"): "Peer Connection Initiated with",
    ("server", "client"): "Initialization Sequence Completed",
    ("p2p", "server"): "Initialization Sequence Completed",
    ("p2p", "client"): "Initialization Sequence Completed",
}
_READY = {("server", "udp"): "Initialization Sequence Completed", ("p2p", "udp"): "link local (bound)"}
_LISTENING = "Listening for incoming TCP connection"


# The first release that knows an option, by Changes.rst of 2.4 and 2.6.
_TLS_CRYPT, _MAX_PACKET_SIZE = ">=2.4a0", ">=2.6a0"


def ready_message(scenario: Scenario) -> str:
    """Return what the server of ``scenario`` prints once it can be reached."""
    return _READY.get((scenario.topology, scenario.proto), _LISTENING)


def refuse_unknown(name: str, scenario: Scenario, own: Version) -> None:
    """Check that the release ``own`` has the options that ``scenario`` needs. Raises ScenarioError when it has not."""
    needed = {
        "--tls-crypt": (scenario.wrap == "tls-crypt", _TLS_CRYPT),
        "--max-packet-size": (scenario.max_packet_size is not None, _MAX_PACKET_SIZE),
    }
    for option, (is_needed, since) in needed.items():
        if is_needed and not holds(since, own):
            raise ScenarioError(
                f"{own.text} has no {option}, which scenario {name} needs",
                why=f"releases {since.removesuffix('a0')} have it",
                advice="--wrap tls-auth is older" if option == "--tls-crypt" else "leave it out for this release",
            )


def command(program: str, side: Side, scenario: Scenario, own: Version, other: Version, *, verbosity: str) -> list[str]:
    """Write the command line of ``program`` as ``side`` of ``scenario``, for the folder that holds ``credentials``."""
    ping, restart = scenario.keepalive
    limit = math.ceil(scenario.limit_s)
    words = [program, "--verb", verbosity, "--proto", _proto(side, scenario), "--ca", "credentials/ca.crt"]
    words += ["--cert", f"credentials/{side}.crt", "--key", f"credentials/{side}.key", "--hand-window", str(limit)]
    words += ["--persist-tun", "--persist-key"]
    match (scenario.topology, side):
        case ("server", "server"):
            words += ["--server", "10.8.0.0", "255.255.255.0", "--topology", "subnet", "--dev", "tun0"]
            words += ["--duplicate-cn"] if scenario.is_crowd else []  # all have the same certificate
            words += ["--keepalive", str(ping), str(restart)]
        case ("server", "client"):
            device = "tun" if scenario.is_crowd else "tun0"  # of a crowd: the next one that is free
            words += ["--client", "--dev", device, "--ping", str(ping), "--ping-restart", str(restart)]
        case (_, "server"):
            words += ["--tls-server", "--dev", "null", "--ping", str(ping), "--ping-restart", str(restart)]
        case _:
            words += ["--tls-client", "--dev", "null", "--ping", str(ping), "--ping-restart", str(restart)]
    if side == "server":
        words += ["--local", _SERVER, "--port", str(PORT), "--dh", "credentials/dh.pem"]
    else:
        words += ["--remote", _SERVER, str(PORT), "--nobind", "--remote-cert-tls", "server"]
    if scenario.wrap == "tls-auth":
        words += ["--tls-auth", "credentials/ta.key", "0" if side == "server" else "1"]
    elif scenario.wrap == "tls-crypt":
        words += ["--tls-crypt", "credentials/ta.key"]
    if scenario.max_packet_size is not None:
        words += ["--max-packet-size", str(scenario.max_packet_size)]
    if scenario.run == "soak":
        words += ["--reneg-sec", str(scenario.reneg_s), "--tran-window", str(scenario.tran_window_s)]
    extra = scenario.server_options if side == "server" else scenario.client_options
    return [*words, *for_old_releases(own, other, scenario), *extra]


def _proto(side: Side, scenario: Scenario) -> str:
    """Name the protocol as ``side`` has to: releases before 2.4 do not know a plain ``tcp`` with ``--mode server``."""
    return f"tcp-{side}" if scenario.proto == "tcp" else scenario.proto


def for_old_releases(own: Version, other: Version, scenario: Scenario) -> Sequence[str]:
    """List the options that ``own`` needs to talk to ``other``, whichever of them is the server."""
    words: list[str] = []
    modern = holds(">=2.6a0", own)
    # 2.5 as well: the system's OpenSSL 3 refuses TLS 1.0 and SHA-1 unless these options allow them.
    if holds(">=2.5a0", own) and (holds("<2.3.3", other) or holds(">=2.3.4, <2.3.7", other)):
        words += _OLD_TLS
    old = min(own, other)
    if holds("<2.4a0", old):
        cipher = _CBC
    elif holds("<2.6a0", old) and scenario.topology == "p2p":
        cipher = _GCM
    else:
        return words
    if not modern:
        return [*words, "--cipher", cipher]
    if scenario.topology == "p2p":
        return [*words, "--data-ciphers-fallback", cipher]
    return [*words, "--data-ciphers", f"{_GCM}:AES-128-GCM:{_CBC}"]

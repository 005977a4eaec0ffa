"""One real handshake over loopback, each side with a program and options of its own, and the data that passes then.

docker/handshake.sh gives both sides the same options: it tries a program with its own sibling. An old release and a
modern one need different ones, and a handshake that completes may still be followed by data that nobody can read.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from patchkit.pki.short_lived import short_lived_credentials
from tests.support.loopback import PORT, Address, own_address
from tests.support.lossy_relay import Fate, relay

_BOUND = "link local (bound)"
_COMPLETED = "Initialization Sequence Completed"
_READABLE = "RECEIVED PING PACKET"  # at verbosity 7: it was decrypted, and is one
_UNREADABLE = re.compile(r"Authenticate/Decrypt packet error|AEAD Decrypt error")
_GRACE = 3.0  # seconds: to start in, and for the first ping to follow the handshake


Processes = tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]
"""The server's and the client's."""


@dataclass(frozen=True)
class Peer:
    """A program, and the options that it gets besides those that every handshake needs."""

    program: Path
    options: Sequence[str]
    starter: Sequence[str] = ()
    """What the program is started through: wine, say."""


@dataclass(frozen=True)
class Outcome:
    """What both sides logged."""

    server: str
    client: str

    @property
    def completed(self) -> bool:
        """Whether both sides say that they are done."""
        return all(_COMPLETED in log for log in (self.server, self.client))

    @property
    def data_passed(self) -> bool:
        """Whether each side could decrypt what the other one sent, and nothing came that it could not."""
        return all(_READABLE in log for log in (self.server, self.client)) and not self.unreadable

    @property
    def unreadable(self) -> bool:
        """Whether data came that one side could not decrypt."""
        return any(_UNREADABLE.search(log) for log in (self.server, self.client))

    @property
    def tls(self) -> set[str]:
        """The versions of TLS that the two sides say they speak: one, if all is well."""
        return self._all(r"Control Channel: (TLSv[\d.]+),")

    @property
    def ciphers(self) -> set[str]:
        """The data channel's ciphers, of both sides and both directions."""
        return self._all(r"Cipher '([\w-]+)' initialized")

    def _all(self, pattern: str) -> set[str]:
        return {match for log in (self.server, self.client) for match in re.findall(pattern, log)}


def data_passed_or_cannot(outcome: Outcome, _processes: Processes) -> bool:
    return outcome.data_passed or outcome.unreadable


def handshake(
    folder: Path,
    server: Peer,
    client: Peer,
    *,
    window: int = 25,
    fate: Fate | None = None,
    enough: Callable[[Outcome, Processes], bool] = data_passed_or_cannot,
    address: Address | None = None,
) -> Outcome:
    """Let two programs meet, until it is enough, one of them ends, or ``window`` seconds are over.

    With ``fate``, a relay stands between them, and ``fate`` decides what it does with each datagram; with None they are
    connected directly. The server listens at ``address``; with None, at an address of its own.
    """
    for name, content in short_lived_credentials().items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    address = address or (own_address(), PORT)
    if fate is None:
        return _meet(folder, server, client, address, address, window, enough)
    with relay(address, fate) as entrance:
        return _meet(folder, server, client, address, entrance, window, enough)


def _meet(
    folder: Path,
    server: Peer,
    client: Peer,
    address: Address,
    remote: Address,
    window: int,
    enough: Callable[[Outcome, Processes], bool],
) -> Outcome:
    as_server = [*listening(address), "--cert", "server.crt", "--key", "server.key"]
    as_client = ["--remote", *map(str, remote), "--nobind", "--tls-client", "--remote-cert-tls", "server",
                 "--cert", "client.crt", "--key", "client.key"]  # fmt: skip
    logs = server_log, client_log = folder / "server.log", folder / "client.log"
    deadline = time.monotonic() + window + _GRACE
    with started(server, as_server, server_log, window) as server_process:
        while time.monotonic() < deadline and server_process.poll() is None and _BOUND not in said(server_log):
            time.sleep(0.02)  # a client that is earlier than the server loses its first packet
        with started(client, as_client, client_log, window) as other:
            while time.monotonic() < deadline:
                ended = server_process.poll() is not None or other.poll() is not None
                outcome = Outcome(*map(said, logs))
                if ended or enough(outcome, (server_process, other)):
                    break
                time.sleep(0.05)
    return Outcome(*map(said, logs))


def listening(address: Address) -> list[str]:
    """Return the options of a server of TLS at ``address``; its certificate is not among them."""
    return ["--local", address[0], "--port", str(address[1]), "--tls-server", "--dh", "dh.pem"]


def said(log: Path) -> str:
    return log.read_text(errors="replace")


@contextmanager
def started(peer: Peer, role: Sequence[str], log: Path, window: int) -> Iterator[subprocess.Popen[bytes]]:
    # What would make it start all over again ends it: a test has no use for the second try.
    command = [*peer.starter, str(peer.program),
               "--dev", "null", "--proto", "udp", "--ca", "ca.crt", "--verb", "7", "--ping", "1",
               "--hand-window", str(window), "--tls-exit", "--remap-usr1", "SIGTERM", *role, *peer.options]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=log.parent, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.kill()
        process.wait()

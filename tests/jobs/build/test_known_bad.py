"""The first published attempt, built because it was asked for, dies on a lossy link where stock only waits."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from patchkit.cache import Cache
from patchkit.pki.short_lived import short_lived_credentials
from tests.conftest import PINNED, Run, upstream
from tests.support.loopback import PORT, own_address
from tests.support.lossy_relay import Fate, is_pure_ack, relay
from tests.support.settings import SOONER

# Eight certificates: some 11 packets each way, more than any window.
CHAIN = "chain-8"
_PATIENCE = 50.0  # seconds; on the links below it takes 5 to 25


def lossy(seed: int) -> Fate:
    """One datagram in five is lost, both ways."""
    coin = random.Random(seed)  # noqa: S311 - a link, not a secret
    return lambda datagram, _: [] if coin.random() < 0.2 else [datagram]


def deaf_and_stuttering(datagram: bytes, from_client: bool) -> list[bytes]:
    """The client's acknowledgements are lost, all else that it sends comes many times: each an event at the server."""
    if not from_client:
        return [datagram]
    return [] if is_pure_ack(datagram) else [datagram] * 400


def test_a_known_bad_variant_is_not_built_unasked(patchkit: Run) -> None:
    done = patchkit("build", "--version", "2.6.14", "--variant", "stock", "--variant", "retransmit-flag")
    assert done.returncode == 35
    assert "--allow-known-bad" in done.stderr
    assert "Source of" not in done.stderr  # refused before anything is fetched


@pytest.fixture(scope="module")
def binaries(shared_cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build a release, stock and flagged, and unpack both programs into a folder with credentials."""

    def build(version: str) -> Path:
        out = tmp_path_factory.mktemp("known-bad")
        subprocess.run(
            [sys.executable, "-P", "-m", "patchkit", "build", "--version", version, "--variant", "stock",
             "--variant", "retransmit-flag", "--allow-known-bad", *SOONER, "--engine", "host", "--out", str(out)],
            check=True, capture_output=True, timeout=600,
        )  # fmt: skip
        for archive in out.glob("*.tar.gz"):
            with tarfile.open(archive) as tar:
                (binary,) = (member for member in tar if member.name.endswith("/sbin/openvpn"))
                content = tar.extractfile(binary)
                assert content is not None
                program = out / ("flag" if "retransmit-flag" in archive.name else "stock")
                program.write_bytes(content.read())
                program.chmod(0o755)
        for file, data in short_lived_credentials(CHAIN).items():
            (out / file).write_bytes(data)
            (out / file).chmod(0o600)
        return out

    return build


# From 2.6 on a buffer has headroom for some thirty passes, and ACKs that come free it before: there it takes a
# link on which many things happen and no ACK arrives. Up to 2.5 ordinary loss does it.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "fates"),
    [("2.5.1", [lossy(seed) for seed in range(4)]), (PINNED, [deaf_and_stuttering])],
    ids=["2.5", "2.6"],
)
def test_on_a_bad_link_it_dies_on_the_session_id_assertion_and_stock_does_not(
    version: str, fates: list[Fate], shared_cache: Cache, binaries: Callable[[str], Path]
) -> None:
    tree = upstream(version, shared_cache)
    folder = binaries(version)
    assertion = re.search(r"Assertion failed at (\S+):(\d+)", first_to_abort(folder, fates))
    assert assertion is not None
    # The very assertion: the session id no longer fits before a packet whose headroom is used up.
    line = tree.read(tree.find(assertion[1])).decode().splitlines()[int(assertion[2]) - 1]
    assert re.search(r"ASSERT ?\(session_id_write_prepend", line), assertion[0]
    assert "Assertion failed" not in handshake(folder, "stock", fates[0], Event(), patience=10.0)


def first_to_abort(folder: Path, fates: list[Fate]) -> str:
    """The logs of whichever handshake aborts first, of some side by side: once in fifteen the window never fills."""
    enough = Event()
    with ThreadPoolExecutor(len(fates)) as pool:
        running = [
            pool.submit(handshake, folder, "flag", fate, enough, number=number) for number, fate in enumerate(fates)
        ]
        logs = ""
        for done in as_completed(running):
            logs += done.result()
            if "Assertion failed" in done.result():
                enough.set()
    return logs


def handshake(
    folder: Path, name: str, fate: Fate, enough: Event, *, number: int = 0, patience: float = _PATIENCE
) -> str:
    """Both logs of one handshake of ``name`` with itself over the link, until one side ends or both are done."""
    logs = [folder / f"{name}-{number}.{side}.log" for side in ("server", "client")]
    with peers(folder, name, logs, fate) as processes:
        deadline = time.monotonic() + patience
        while (
            time.monotonic() < deadline and not enough.is_set() and all(process.poll() is None for process in processes)
        ):
            if all("Initialization Sequence Completed" in log.read_text(errors="replace") for log in logs):
                break
            time.sleep(0.1)
    return "\n".join(log.read_text(errors="replace") for log in logs)


@contextmanager
def peers(folder: Path, name: str, logs: list[Path], fate: Fate) -> Iterator[list[subprocess.Popen[bytes]]]:
    common = [str(folder / name), "--dev", "null", "--proto", "udp", "--ca", "ca.crt", "--dh", "none", "--verb", "4",
              "--cipher", "AES-256-GCM", "--hand-window", "60"]  # fmt: skip
    address = (own_address(), PORT)
    server = ["--local", address[0], "--port", str(address[1]), "--tls-server", "--cert", "server.crt",
              "--key", "server.key"]  # fmt: skip
    with relay(address, fate) as entrance:
        client = ["--remote", *map(str, entrance), "--nobind", "--tls-client", "--remote-cert-tls", "server",
                  "--cert", "client.crt", "--key", "client.key"]  # fmt: skip
        processes = []
        for arguments, log in zip((server, client), logs, strict=True):
            with log.open("wb") as out:
                processes.append(subprocess.Popen([*common, *arguments], cwd=folder, stdout=out, stderr=out))
        try:
            yield processes
        finally:
            for process in processes:
                process.kill()
                process.wait()

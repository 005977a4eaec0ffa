"""The smoke test: does the binary run, say what it is, encrypt, and complete handshakes in both roles?"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from patchkit import resources
from patchkit.building.check.launch import needs, scripts, warm_up, wind_down
from patchkit.building.engine.protocol import Workspace, files
from patchkit.building.recipe.known_failures import recognised
from patchkit.building.toolchain import Target, Toolchain
from patchkit.errors import SmokeError
from patchkit.pki.short_lived import short_lived_credentials
from patchkit.signals import held_off

FOLDER = "smoke"
_TEST_CRYPTO = re.compile(r"^.*?(OpenVPN crypto)")
_PORT_TAKEN = 75  # handshake.sh's word for it (sysexits' EX_TEMPFAIL)
_SIGNALLED = 124  # from here on: what timeout says of a command that it ended, and shells of one that crashed
_PORTS = range(20000, 60000)
_TRIES = 5  # ports for one handshake, no two of them the same among all that run side by side
_LIMIT = 60  # seconds for any one command; a handshake gives up by itself after half of that


@dataclass(frozen=True)
class Subject:
    """A binary under test: its path in the workspace, and what its ``--version`` must say."""

    name: str
    binary: str
    version: str


@dataclass(frozen=True)
class CheckResult:
    """One thing that was tried."""

    name: str
    detail: str
    passed: bool = True


@contextmanager
def bench(workspace: Workspace, target: Target) -> Iterator[None]:
    """Lay out what binaries are tried with: the script, fresh certificates, and whatever runs the target's programs."""
    script = (resources.folder("docker") / "handshake.sh").read_bytes()
    content = {**short_lived_credentials(), "handshake.sh": script, **needs(target)}
    workspace.put(files(content, mode=0o600, folder=FOLDER))
    try:
        warm_up(workspace, target, FOLDER)
        yield
    finally:
        with held_off():
            wind_down(workspace, target, FOLDER)


def smoke(
    workspace: Workspace, toolchain: Toolchain, subject: Subject, stock: Subject, *, must_shake_hands: bool = True
) -> list[CheckResult]:
    """Try everything on ``subject``, the handshakes with itself and with ``stock`` in both roles, side by side.

    Wants :func:`bench` around it. Raises SmokeError with the log of the first thing that did not work. A handshake that
    fails is only noted where none is promised: variants that are known to be bad are built to be looked at.
    """
    programs = {_starter(one): f"{workspace.top}/{one.binary}" for one in (subject, stock)}
    starters = scripts(workspace, toolchain.target, FOLDER, programs)
    workspace.put(files(starters, mode=0o700, folder=FOLDER))
    pairs = {(subject.name, subject.name): (subject, subject)}
    if subject.name != stock.name:
        pairs[subject.name, stock.name] = (subject, stock)
        pairs[stock.name, subject.name] = (stock, subject)
    ports = iter(random.sample(_PORTS, len(pairs) * _TRIES))
    with ThreadPoolExecutor(max_workers=len(pairs) + 3) as pool:
        try:
            waiting = [
                pool.submit(_version, workspace, subject),
                pool.submit(_crypto, workspace, toolchain, subject),
                pool.submit(_refusal, workspace, subject),
                *(
                    pool.submit(_handshake, workspace, toolchain, *pair, [next(ports) for _ in range(_TRIES)])
                    for pair in pairs.values()
                ),
            ]
            return [_outcome(future, must_pass=number < 3 or must_shake_hands) for number, future in enumerate(waiting)]
        except BaseException:
            workspace.stop()  # or the pool would wait for handshakes that nobody wants any more
            raise


def _outcome(future: Future[CheckResult], *, must_pass: bool) -> CheckResult:
    try:
        return future.result()
    except SmokeError as error:
        if must_pass:
            raise
        return CheckResult("handshake", error.what, passed=False)


def _version(workspace: Workspace, subject: Subject) -> CheckResult:
    # Exits with 1 up to 2.4 and with 0 since 2.5: only the words count.
    _, said = _run(workspace, [_path(workspace, subject), "--version"])
    first = said[0] if said else ""
    if not first.startswith(f"OpenVPN {subject.version} "):
        raise SmokeError(
            f"{subject.name} does not say that it is {subject.version}",
            why="\n".join(said[:5]) or "it said nothing",
            advice=known.helps if (known := recognised(said)) else "",
        )
    return CheckResult("version", first)


def _crypto(workspace: Workspace, toolchain: Toolchain, subject: Subject) -> CheckResult:
    binary, series = _path(workspace, subject), toolchain.series
    folder = f"crypto-{subject.name}"
    script = 'mkdir -p "$1" && cd "$1" && shift && "$@"'
    for options in filter(None, (series.genkey, series.test_crypto)):
        code, said = _run(workspace, ["sh", "-c", script, "sh", folder, binary, *options])
        if code != 0:
            raise SmokeError(
                f"{subject.name} {' '.join(options)} failed with exit code {code}", why="\n".join(said[-15:])
            )
    # Behind the time of day, which would make of the same build another manifest.
    return CheckResult("test-crypto", _TEST_CRYPTO.sub(r"\1", said[-1]) if said else "")


def _refusal(workspace: Workspace, subject: Subject) -> CheckResult:
    """A certificate that is none: to say so, OpenVPN asks OpenSSL for texts, and some builds have crashed there."""
    options = [f"--{what}" for what in ("ca", "cert", "key")]
    junk = [word for option in options for word in (option, "handshake.sh")]
    code, said = _run(
        workspace,
        [_path(workspace, subject), "--dev", "null", "--tls-client", "--remote", "127.0.0.1", "9", *junk],
    )
    if code == 0 or code >= _SIGNALLED:
        raise SmokeError(
            f"{subject.name} does not refuse a bad certificate: exit code {code}", why="\n".join(said[-15:])
        )
    return CheckResult("refusal", f"a bad certificate, with exit code {code}")


def _handshake(
    workspace: Workspace, toolchain: Toolchain, server: Subject, client: Subject, ports: Sequence[int]
) -> CheckResult:
    name = f"{server.name}-{client.name}"
    for port in ports:
        code, said = _run(
            workspace,
            [
                "sh", "handshake.sh", name, _path(workspace, server), _path(workspace, client), str(port),
                *toolchain.series.peer_options,
            ],
        )  # fmt: skip
        if code != _PORT_TAKEN:
            break
    if code != 0:
        raise SmokeError(
            f"no handshake between {server.name} as server and {client.name} as client",
            why="\n".join(said[-34:]),
        )
    return CheckResult("handshake", f"{server.name} as server, {client.name} as client")


def _starter(subject: Subject) -> str:
    return f"run-{subject.name}"


def _path(workspace: Workspace, subject: Subject) -> str:
    return f"{workspace.top}/{FOLDER}/{_starter(subject)}"


def _run(workspace: Workspace, command: Sequence[str]) -> tuple[int, list[str]]:
    said: list[str] = []
    environment: Mapping[str, str] = {"LC_ALL": "C"}
    limited = ["timeout", "--kill-after=2", str(_LIMIT), *command]
    # Windows ends its lines with two characters.
    code = workspace.run(limited, cwd=FOLDER, env=environment, line=lambda text: said.append(text.rstrip("\r")))
    return (code if code >= 0 else 128 - code), said  # a crash, as shells number it; Docker does too

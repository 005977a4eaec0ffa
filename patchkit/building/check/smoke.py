"""The smoke test: does the binary start, report its version, encrypt, and complete handshakes in both roles?"""

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
from patchkit.building.toolchain import Toolchain
from patchkit.building.toolchain_table import Target
from patchkit.errors import SmokeError
from patchkit.pki.short_lived import short_lived_credentials
from patchkit.signals import held_off

FOLDER = "smoke"
_TEST_CRYPTO = re.compile(r"^.*?(OpenVPN crypto)")
_WINE = "wine: "
_PORT_TAKEN = 75  # handshake.sh's exit code for it (sysexits' EX_TEMPFAIL)
_SIGNALLED = 124  # from here on: timeout's exit code of a command that it ended, and a shell's of one that crashed
_PORTS = range(20000, 60000)
_TRIES = 5  # ports for one handshake; all handshakes that run side by side have different ones
_LIMIT = 60  # seconds for any command; a handshake gives up by itself after half of that


@dataclass(frozen=True)
class Subject:
    """A binary under test: its path in the workspace, and the version that ``--version`` must print."""

    name: str
    binary: str
    version: str


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check."""

    name: str
    detail: str
    passed: bool = True


@contextmanager
def prepared_workspace(workspace: Workspace, target: Target) -> Iterator[None]:
    """Put into the workspace what tests of programs for ``target`` need: script, certificates, and wine's folder.

    Raises SmokeError where wine does not start, and the engine's errors.
    """
    script = (resources.folder("docker") / "handshake.sh").read_bytes()
    content = {**short_lived_credentials(), "handshake.sh": script, **needs(target)}
    workspace.put(files(content, mode=0o600, folder=FOLDER))
    try:
        warm_up(workspace, target, FOLDER)
        yield
    finally:
        with held_off():
            wind_down(workspace, target, FOLDER)


def smoke(workspace: Workspace, toolchain: Toolchain, subject: Subject, stock: Subject) -> list[CheckResult]:
    """Run all checks of ``subject`` side by side: handshakes with itself, and with ``stock`` in both roles.

    Needs :func:`prepared_workspace` around it. Raises SmokeError with the log of the first check that fails.
    """
    with _started(workspace, toolchain, subject, stock) as (checks, handshakes):
        return [future.result() for future in (*checks, *handshakes)]


def smoke_known_bad(workspace: Workspace, toolchain: Toolchain, subject: Subject, stock: Subject) -> list[CheckResult]:
    """Run the checks of :func:`smoke` on a ``subject`` whose handshakes may fail, and report a failed one.

    Variants that are known to be bad are built to be examined. Raises SmokeError for any other check that fails.
    """
    with _started(workspace, toolchain, subject, stock) as (checks, handshakes):
        return [*(future.result() for future in checks), *map(_reported, handshakes)]


_Futures = list[Future[CheckResult]]


@contextmanager
def _started(
    workspace: Workspace, toolchain: Toolchain, subject: Subject, stock: Subject
) -> Iterator[tuple[_Futures, _Futures]]:
    """Start all checks, and all handshakes; stop those that are running when one raises."""
    programs = {_starter(side): f"{workspace.top}/{side.binary}" for side in (subject, stock)}
    starters = scripts(workspace, toolchain.target, FOLDER, programs)
    workspace.put(files(starters, mode=0o700, folder=FOLDER))
    pairs = {(subject.name, subject.name): (subject, subject)}
    if subject.name != stock.name:
        pairs[subject.name, stock.name] = (subject, stock)
        pairs[stock.name, subject.name] = (stock, subject)
    ports = iter(random.sample(_PORTS, len(pairs) * _TRIES))
    with ThreadPoolExecutor(max_workers=len(pairs) + 3) as pool:
        try:
            checks = [
                pool.submit(_version, workspace, subject),
                pool.submit(_crypto, workspace, toolchain, subject),
                pool.submit(_refusal, workspace, subject),
            ]
            handshakes = [
                pool.submit(_handshake, workspace, toolchain, server, client, [next(ports) for _ in range(_TRIES)])
                for server, client in pairs.values()
            ]
            yield checks, handshakes
        except BaseException:
            workspace.stop()  # or the pool would wait for handshakes that nobody needs any more
            raise


def _reported(handshake: Future[CheckResult]) -> CheckResult:
    try:
        return handshake.result()
    except SmokeError as error:
        return CheckResult("handshake", error.what, passed=False)


def _version(workspace: Workspace, subject: Subject) -> CheckResult:
    # Exits with 1 up to 2.4 and with 0 since 2.5.
    code, output = _run(workspace, [_path(workspace, subject), "--version"])
    first = next(iter(_without_wine(output)), "")
    if code not in (0, 1) or not first.startswith(f"OpenVPN {subject.version} "):
        raise SmokeError(
            f"{subject.name} does not report the version {subject.version}",
            why="\n".join((f"exit code {code}", *output[:5])),
            advice=known.helps if (known := recognised(output)) else "",
        )
    return CheckResult("version", first)


def _crypto(workspace: Workspace, toolchain: Toolchain, subject: Subject) -> CheckResult:
    binary, series = _path(workspace, subject), toolchain.series
    folder = f"crypto-{subject.name}"
    script = 'mkdir -p "$1" && cd "$1" && shift && "$@"'
    for options in filter(None, (series.genkey, series.test_crypto)):
        code, output = _run(workspace, ["sh", "-c", script, "sh", folder, binary, *options])
        if code != 0:
            raise SmokeError(
                f"{subject.name} {' '.join(options)} failed with exit code {code}", why="\n".join(output[-15:])
            )
    # Without the time of day, which would make another manifest of the same build.
    printed = _without_wine(output)
    return CheckResult("test-crypto", _TEST_CRYPTO.sub(r"\1", printed[-1]) if printed else "")


def _refusal(workspace: Workspace, subject: Subject) -> CheckResult:
    """Give OpenVPN a bad certificate: to report it, OpenVPN asks OpenSSL for texts, and some builds crashed there."""
    options = [f"--{what}" for what in ("ca", "cert", "key")]
    junk = [word for option in options for word in (option, "handshake.sh")]
    code, output = _run(
        workspace,
        [_path(workspace, subject), "--dev", "null", "--tls-client", "--remote", "127.0.0.1", "9", *junk],
    )
    if code == 0 or code >= _SIGNALLED:
        raise SmokeError(
            f"{subject.name} does not refuse a bad certificate: exit code {code}", why="\n".join(output[-15:])
        )
    return CheckResult("refusal", f"a bad certificate, with exit code {code}")


def _handshake(
    workspace: Workspace, toolchain: Toolchain, server: Subject, client: Subject, ports: Sequence[int]
) -> CheckResult:
    name = f"{server.name}-{client.name}"
    for port in ports:
        code, output = _run(
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
            why="\n".join(output[-34:]),
        )
    return CheckResult("handshake", f"{server.name} as server, {client.name} as client")


def _without_wine(output: Sequence[str]) -> list[str]:
    """The lines of the program itself.

    A process that wine keeps beside it may crash on a busy machine, of which wine writes into the program's output. The
    program's own crash shows in its exit code.
    """
    return [line for line in output if not line.startswith(_WINE)]


def _starter(subject: Subject) -> str:
    return f"run-{subject.name}"


def _path(workspace: Workspace, subject: Subject) -> str:
    return f"{workspace.top}/{FOLDER}/{_starter(subject)}"


def _run(workspace: Workspace, command: Sequence[str]) -> tuple[int, list[str]]:
    output: list[str] = []
    environment: Mapping[str, str] = {"LC_ALL": "C"}
    limited = ["timeout", "--kill-after=2", str(_LIMIT), *command]
    # Windows ends its lines with two characters.
    code = workspace.run(limited, cwd=FOLDER, env=environment, line=lambda text: output.append(text.rstrip("\r")))
    return (code if code >= 0 else 128 - code), output  # a crash, as shells number it; Docker does too

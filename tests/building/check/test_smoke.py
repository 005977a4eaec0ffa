"""The smoke test must fail for binaries that fail: shell scripts stand in for bad ones, on the real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit.building.check import smoke
from patchkit.building.check.smoke import CheckResult, Subject
from patchkit.building.engine.host import HostEngine
from patchkit.building.engine.protocol import Identity
from patchkit.building.toolchain import toolchain
from patchkit.errors import SmokeError
from patchkit.releases.version import Version
from patchkit.ui import Ui
from tests.support.building.workspaces import archive, run

VERSION = 'if [ "$1" = --version ]; then echo "OpenVPN 1.2.3+x for tests"; exit 1; fi\n'
REFUSES = 'case "$*" in *"--ca handshake.sh"*) echo "no certificate"; exit 1;; esac\n'


def try_out(script: str, ui: Ui) -> list[CheckResult]:
    tools = toolchain(Version("2.6.14"), "linux-amd64")
    with HostEngine(ui).workspace(Identity("host", "", {}), keep=False) as workspace:
        workspace.put(archive(bad=f"#!/bin/sh\n{script}".encode()))
        assert run(workspace, "chmod", "+x", "bad")[0] == 0
        subject = Subject("bad", "bad", "1.2.3+x")
        with smoke.prepared_workspace(workspace, tools.target):
            return smoke.smoke(workspace, tools, subject, subject)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo OpenVPN 1.2.3 for tests", "does not report the version 1.2.3+x"),
        ("kill -SEGV $$", "does not report the version"),
        ("echo OpenVPN 1.2.3+x for tests; kill -SEGV $$", "does not report the version"),
        (VERSION + "exit 3", "failed with exit code 3"),
        (VERSION + "exit 0", "does not refuse a bad certificate: exit code 0"),
        (VERSION + 'case "$*" in *"--ca handshake.sh"*) kill -SEGV $$;; esac', "bad certificate: exit code 139"),
        (
            VERSION + REFUSES + 'case "$*" in *--tls-*) echo "link local (bound)"; echo no; exit 1;; esac',
            "no handshake",
        ),
    ],
    ids=[
        "says-it-is-stock",
        "crashes",
        "crashes-then",
        "no-crypto",
        "takes-all",
        "crashes-at-an-error",
        "no-handshake",
    ],
)
def test_a_bad_binary_does_not_pass(script: str, said: str, ui: Ui) -> None:
    with pytest.raises(SmokeError) as caught:
        try_out(script, ui)
    assert said in caught.value.what


@pytest.mark.slow
def test_a_binary_that_will_not_end_is_ended(ui: Ui) -> None:
    deaf = "trap '' TERM; echo 'link local (bound)'; while :; do sleep 1; done"
    with pytest.raises(SmokeError, match="no handshake"):
        try_out(VERSION + REFUSES + f'case "$*" in *--tls-*) {deaf};; esac', ui)


TALKS = 'case "$*" in *--tls-*) echo "link local (bound)"; echo "Initialization Sequence Completed"; sleep 9;; esac'


def test_a_binary_that_does_all_it_should_passes(ui: Ui) -> None:
    """So the refusals above are the binaries' fault and not the test's."""
    try_out(VERSION + REFUSES + TALKS, ui)


def test_what_wine_tells_of_its_own_processes_is_not_the_programs(ui: Ui) -> None:
    """In front of what the program prints, and behind it."""
    crash = 'echo "wine: Unhandled page fault on read access to 0000000000000008 (thread 0090), starting debugger..."\n'
    crypto = 'case "$*" in *--test-crypto*) echo "1 OpenVPN crypto self-test mode SUCCEEDED.";; esac\n'
    checks = try_out(f"{crash}{VERSION}{crypto}{crash}{REFUSES}{TALKS}", ui)
    assert [(check.name, check.detail) for check in checks[:2]] == [
        ("version", "OpenVPN 1.2.3+x for tests"),
        ("test-crypto", "OpenVPN crypto self-test mode SUCCEEDED."),
    ]


def test_what_is_secret_is_the_owners_alone(ui: Ui) -> None:
    with (
        HostEngine(ui).workspace(Identity("host", "", {}), keep=False) as workspace,
        smoke.prepared_workspace(workspace, toolchain(Version("2.6.14"), "linux-amd64").target),
    ):
        modes = {path.name: path.stat().st_mode & 0o777 for path in Path(workspace.top, smoke.FOLDER).iterdir()}
    assert {"ca.crt", "server.key", "client.key", "handshake.sh"} <= modes.keys()
    assert set(modes.values()) == {0o600}

"""Every command's help has an example, and every example runs: quick ones with the quick tests."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import typer.main
from typer.testing import CliRunner

from patchkit.building.engine.docker import connect
from patchkit.cli.app import app
from patchkit.errors import PatchkitError
from tests.conftest import ROOT
from tests.diagnosis.samples import HEALTHY

QUICK = {"releases", "variants", "lab scenarios", "diagnose"}
FILES = {"diagnose": ("openvpn.log", HEALTHY)}
"""What an example reads that no other one has left."""
BEFORE = {
    "rebuild": ["build"],
    "artifact check": ["build"],
    "artifact sign": ["build"],
    "apply": ["fetch"],
    "lab replay": ["lab run"],
    "mirror verify": ["mirror sync"],
}
"""Examples that work on what another example has left."""
WANTS = {"artifact sign": ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "id_ed25519"]}
"""What makes the files that an example names."""
WANTS_DOCKER = {"image base"}
_EXAMPLE = re.compile(r"Example: patchkit (.+)")


def commands(group: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield " ".join((*names, name)), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def example(command: str) -> list[str]:
    """The words behind ``patchkit`` in its help's one example."""
    (arguments,) = _EXAMPLE.findall(COMMANDS[command].help or "")
    return shlex.split(arguments)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_of_its_own(command: str) -> None:
    assert " ".join(example(command)).startswith(command)


def test_what_is_listed_here_is_there() -> None:
    assert QUICK | BEFORE.keys() | WANTS_DOCKER <= COMMANDS.keys()


Ran: TypeAlias = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ran]:
    """Run a command's example, once, where the example before it was run: gives the folder and what became of it."""

    @cache
    def run(command: str) -> Ran:
        before = BEFORE.get(command)
        folder = run(before[-1])[0] if before else tmp_path_factory.mktemp("example")
        if command in WANTS:
            subprocess.run(WANTS[command], cwd=folder, check=True)
        if command in FILES:
            name, text = FILES[command]
            (folder / name).write_text(text)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "patchkit", *example(command)],
            cwd=folder, env=os.environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return folder, done

    return run


@pytest.mark.parametrize(
    "command", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in COMMANDS]
)
def test_the_example_runs(command: str, ran: Callable[[str], Ran]) -> None:
    if command in WANTS_DOCKER:
        try:
            connect().close()
        except PatchkitError as error:
            pytest.skip(error.what)
    for name in (*BEFORE.get(command, []), command):
        folder, done = ran(name)
        assert done.returncode == 0, done.stderr
    assert done.stdout or list(folder.iterdir())


def test_the_documents_name_every_command() -> None:
    document = (ROOT / "docs/commands.md").read_text("utf-8")
    for command in COMMANDS:
        assert f"patchkit {command}" in document, command


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_help_fits_and_is_whole_at_any_width(columns: int) -> None:
    for names, command in {"": typer.main.get_command(app), **COMMANDS}.items():
        text = CliRunner().invoke(app, [*names.split(), "--help"], terminal_width=columns).stdout
        if names:
            # On one line, however long: it can be copied.
            assert f"Example: patchkit {' '.join(example(names))}\n" in text
        for line in text.splitlines():
            one_word = len(re.split(r"  +", line.strip())) == 1  # an option that is longer than the column beside it
            assert len(line) <= columns or "Example: " in line or one_word, line
        assert not re.search(r"\w\.\.\.$", text.partition("Commands:")[2], re.MULTILINE)
        assert command.help


def test_what_the_checkout_ships_is_what_it_says() -> None:
    """The files that people look for first."""
    for name in ("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/licensing.md"):
        assert (ROOT / name).stat().st_size > 500, name

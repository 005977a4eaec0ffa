"""Every command's help has an example, and every example runs: quick ones with the quick tests."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import typer.main

from patchkit.building.engine.docker import connect
from patchkit.cli.app import app
from patchkit.errors import PatchkitError
from patchkit.jobs.build.parts import record
from patchkit.jobs.build.request import BuildRequest, ReleasesRequest
from patchkit.shard import Shard
from patchkit.source.obtain import SourceRequest
from tests.conftest import ROOT
from tests.diagnosis.samples import HEALTHY
from tests.support.lab.synthetic import campaign, lossy, written
from tests.support.starts import client as starts

QUICK = {"releases", "variants", "lab scenarios", "diagnose"}
MINE = "--- /dev/null\n+++ b/doc/mine.txt\n@@ -0,0 +1 @@\n+a patch of somebody's own\n"
BEFORE = {
    "rebuild": ["build"],
    "artifact check": ["build"],
    "artifact sign": ["build"],
    "apply": ["fetch"],
    "lab replay": ["lab run"],
    "mirror verify": ["mirror sync"],
}
"""Examples that work on what another example has left."""
WANTS_DOCKER = {"image base"}
_EXAMPLE = re.compile(r"Example: patchkit (.+)")


def _key(folder: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "id_ed25519"], cwd=folder, check=True)


def _reports(folder: Path) -> None:
    for name in ("before", "after"):
        written(folder / name, campaign(), lossy(campaign()))


def _parts_of_a_campaign(folder: Path) -> None:
    for part in (1, 2):
        this = campaign().model_copy(update={"shard": Shard(of=2, parts=[part])})
        written(folder / f"part-{part}", this, lossy(this))


def _parts_of_a_build(folder: Path) -> None:
    for part in (1, 2):
        out = folder / f"part-{part}"
        request = BuildRequest(source=SourceRequest(), variants=["stock"], out=out)
        record(ReleasesRequest(request, all_releases=True, shard=Shard(of=2, parts=[part])), [])


PREPARED: dict[str, Callable[[Path], object]] = {
    "artifact sign": _key,
    "diagnose": lambda folder: (folder / "openvpn.log").write_text(HEALTHY),
    "dist merge": _parts_of_a_build,
    "lab compare": _reports,
    "lab merge": _parts_of_a_campaign,
    "port": lambda folder: (folder / "mine.diff").write_text(MINE),
}
"""What makes the files that an example names and no other one has left."""


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
        if command in PREPARED:
            PREPARED[command](folder)
        # Compiled by this host, where other tests' objects are at hand; containers have tests of their own.
        without_docker = {} if command in WANTS_DOCKER else {"DOCKER_HOST": f"unix://{folder}/none"}
        return folder, starts.run(example(command), folder, {**os.environ, **without_docker}, timeout=900)

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
    whole = typer.main.get_command(app)
    for names, command in {"": whole, **COMMANDS}.items():
        with redirect_stdout(io.StringIO()) as printed:
            whole.main([*names.split(), "--help"], "patchkit", standalone_mode=False, terminal_width=columns)
        text = printed.getvalue()
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

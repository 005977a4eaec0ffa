"""Options that are expanded from a group: each of them reaches the settings, and the command that repeats them."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from patchkit.building.settings import BuildSettings
from patchkit.cli.option_groups import CompileOptions
from patchkit.cli.options import EngineChoice
from tests.conftest import Run

VALUES: dict[str, object] = {
    "engine": EngineChoice.host, "crypto": "pinned", "openssl_source": ["x.tar.gz"], "features": ["systemd"],
    "cflag": ["-g"], "jobs": 3, "timeout": 7200,
}  # fmt: skip
NONE = CompileOptions()


def with_one(name: str) -> CompileOptions:
    return replace(NONE, **{name: VALUES[name]})  # type: ignore[arg-type]


def test_every_option_has_a_value_here() -> None:
    assert {field.name for field in fields(CompileOptions)} == VALUES.keys()


@pytest.mark.parametrize("name", VALUES)
def test_each_option_changes_one_setting(name: str) -> None:
    default, changed = NONE.settings(), with_one(name).settings()
    differing = [
        field.name for field in fields(BuildSettings) if getattr(default, field.name) != getattr(changed, field.name)
    ]
    assert len(differing) == 1


@pytest.mark.parametrize("name", VALUES)
def test_each_option_is_known_to_be_given(name: str) -> None:
    """``verify --new`` refuses them by name."""
    assert not any(NONE.given.values())
    assert [bool(value) for value in with_one(name).given.values()].count(True) == 1


@pytest.mark.parametrize("name", sorted(VALUES.keys() - {"jobs"}))
def test_each_option_is_in_the_command_that_asks_for_the_same(name: str) -> None:
    assert NONE.settings().words() == []
    assert with_one(name).settings().words()


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("build", "--timeout", "0"),
        ("prove", "--with", "sytemd"),
        ("verify", "--crypto", "opensssl-3.5"),
        ("lab run", "--cflag", "-static"),
        ("lab run", "--trials", "99999999999999999"),
    ],
)
def test_what_never_makes_sense_is_refused_before_any_work(
    command: str, option: str, value: str, patchkit: Run, tmp_path: Path
) -> None:
    """Also without a compiler, a network and a source: nothing is looked for, and nothing is written."""
    env = {"PATH": str(tmp_path), "PATCHKIT_CACHE": str(tmp_path / "cache"), "PATCHKIT_GIT": "/nowhere"}
    done = patchkit(*command.split(), "--version", "2.6.14", f"{option}={value}", env=env)
    assert done.returncode == 2, done.stderr
    assert "==>" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == []

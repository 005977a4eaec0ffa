"""The JSON schemas say what the models say: all of the catalogue is valid, and what the models refuse is not."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from patchkit.lab.model.scenario import BUILT_IN, parsed
from patchkit.patching.variants import Variant
from tests.conftest import ROOT
from tests.patching.own.schemas import Errors, errors_of

TOMLS = sorted((ROOT / "patches").glob("*/patch.toml"))


@pytest.fixture(scope="module")
def patch() -> Errors:
    return errors_of("patch")


@pytest.fixture(scope="module")
def scenarios() -> Errors:
    return errors_of("scenarios")


@pytest.mark.parametrize("toml", TOMLS, ids=lambda path: path.parent.name)
def test_the_catalogue_is_valid(toml: Path, patch: Errors) -> None:
    assert patch(tomllib.loads(toml.read_text("utf-8"))) == []


def test_the_built_in_scenarios_are_valid(scenarios: Errors) -> None:
    assert scenarios(tomllib.loads(BUILT_IN.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "fault",
    [
        ('status = "recommended"', 'status = "good"'),
        ('title = "', 'titel = "'),
        ("guard = true", 'guard = "yes"'),
        ("copies = 6", "copies = 0"),
        ('status = "needed"', 'status = "wanted"'),
        ('"203afbe95ee324ec941e35399f6655dc4f669f12"', '"203afbe"'),
    ],
    ids=lambda fault: fault[1],
)
def test_what_the_model_refuses_the_schema_refuses(fault: tuple[str, str], patch: Errors) -> None:
    text = (ROOT / "patches/recommended/patch.toml").read_text("utf-8")
    assert fault[0] in text
    table = tomllib.loads(text.replace(*fault, 1))
    with pytest.raises(ValidationError):
        Variant.model_validate({"name": "x", "folder": Path(), **table})
    assert patch(table) != []


@pytest.mark.parametrize(
    "text",
    [
        '[scenario."a b"]\nsummary = "x"\n',
        "[scenario.x]\n",
        '[scenario.x]\nsummary = "x"\nnonsense = 1\n',
        '[scenario.x]\nsummary = "x"\nboth = { loss = 101 }\n',
        '[scenario.x]\nsummary = "x"\nrun = "walk"\n',
        "other = 1\n",
        "",
    ],
)
def test_scenarios_that_are_refused_by_both(text: str, scenarios: Errors) -> None:
    with pytest.raises(Exception, match="scenario"):
        parsed(text, "scenario.toml")
    assert scenarios(tomllib.loads(text)) != []


def test_the_schemas_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "ci/json-schemas", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

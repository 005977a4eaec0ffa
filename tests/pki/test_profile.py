"""Profiles by name."""

from __future__ import annotations

import pytest

from patchkit.errors import ScenarioError
from patchkit.lab.model.scenario import built_in
from patchkit.pki.profile import BUILT_IN, profile


@pytest.mark.parametrize(
    ("name", "kind", "intermediates"),
    [("leaf-rsa2048", "rsa2048", 0), ("leaf-rsa4096", "rsa4096", 0), ("leaf-ec", "ec", 0), ("chain-1", "rsa2048", 1),
     ("chain-14", "rsa2048", 14), ("chain-8-ec", "ec", 8)],
)  # fmt: skip
def test_what_a_name_says(name: str, kind: str, intermediates: int) -> None:
    pki_profile = profile(name)
    assert (pki_profile.name, pki_profile.kind, pki_profile.intermediates) == (name, kind, intermediates)


@pytest.mark.parametrize(
    "name",
    ["", "leaf", "leaf-", "leaf-rsa1024", "leaf-EC", "chain", "chain-0", "chain-08", "chain--1", "chain-8-rsa",
     "chain-8\n", " chain-8", "chain-٣", "../chain-8", "chain-" + "9" * 5000],
)  # fmt: skip
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ScenarioError, match="no credentials"):
        profile(name)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("leaf-rsa-2048", "leaf-rsa2048"), ("rsa4096", "leaf-rsa4096"), ("ec", "leaf-ec"), ("chain8", "chain-8"),
     ("chain-8ec", "chain-8-ec"), ("chain-15", "chain-14")],
)  # fmt: skip
def test_what_was_meant(asked: str, meant: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        profile(asked)
    assert raised.value.advice == f"perhaps you meant {meant}"
    assert "from 1 to 14" in raised.value.why


def test_the_scenarios_ask_for_what_there_is() -> None:
    assert {profile(scenario.credentials).name for scenario in built_in().values()} <= set(BUILT_IN)

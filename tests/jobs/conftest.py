"""A made-up upstream with a release of its own, signed by a key of its own; and programs of real releases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchkit.cache import Cache
from tests.support.jobs.made_up_release import MADE, Upstream, made_up
from tests.support.jobs.packaged import built
from tests.support.jobs.series import ProgramOf, program_of_series
from tests.support.source.signers import Signer, signer


@pytest.fixture(scope="module")
def people() -> Iterator[tuple[Signer, str]]:
    with signer() as home:
        yield home, home.key("Upstream", made=MADE - 1000)


@pytest.fixture(scope="session")
def program_of(shared_cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> ProgramOf:
    return program_of_series(shared_cache, tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a build with its packages and its source: a test that changes something copies it."""
    return built(tmp_path_factory.mktemp("packaged"))


@pytest.fixture
def upstream(people: tuple[Signer, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.delenv("GIT_DIR", raising=False)
    return made_up(*people, tmp_path / "upstream")

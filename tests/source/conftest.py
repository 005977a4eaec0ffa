"""What the tests of sources share: a web site, a repository, and no settings of the developer's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.source.samples import Repository
from tests.support.source.website import Site, serving


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy between a test and loopback, no git configuration, and no repository around a git hook."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as running:
        yield running


@pytest.fixture
def repository(original: Repository, tmp_path: Path) -> Repository:
    """A copy, for a test to do anything with, of the module's own ``original``."""
    shutil.copytree(original.path, tmp_path / "upstream", symlinks=True)
    return Repository.at(tmp_path / "upstream", original.seconds)

"""Which releases and variants are run, and a compiled driver for each, once a session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.patching.combination import combination
from patchkit.patching.variants import names
from patchkit.releases.version import Version
from patchkit.source.obtain import SourceRequest, obtain
from patchkit.source.tree.tree import SourceTree
from patchkit.ui import Ui
from tests.conftest import upstream
from tests.reliable.harness import Change, Driver, compile_driver

GIT = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards
POOL = ["2.6.14", "2.7.7"]
OLD = ["2.1.4", "2.2.2", "2.3.2", "2.3.18", "2.4.12", "2.5.11"]
PAIRS = [(version, name) for version in [*POOL, *OLD] for name in names()]

DriverOf = Callable[..., Driver]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every variant on every release, unless a test names its own."""
    if {"version", "variant"} <= set(metafunc.fixturenames):
        ids = [f"{version}-{name}" for version, name in PAIRS]
        metafunc.parametrize(("version", "variant"), PAIRS, ids=ids)


@pytest.fixture(scope="session")
def tree_of(shared_cache: Cache) -> Callable[[str], SourceTree]:
    """A release's source; skips where it can't be had here."""

    @cache
    def tree(version: str) -> SourceTree:
        if version in POOL:
            return upstream(version, shared_cache)
        if not GIT:
            pytest.skip("PATCHKIT_GIT is not set to a full clone of upstream")
        return obtain(SourceRequest(version, git=GIT), Context(shared_cache, Ui(quiet=True))).tree

    return tree


@pytest.fixture(scope="session")
def driver_of(tree_of: Callable[[str], SourceTree], tmp_path_factory: pytest.TempPathFactory) -> Iterator[DriverOf]:
    """A driver for a release and a variant. What the sanitizers say at their end, of memory that leaked, counts."""
    drivers: list[Driver] = []

    @cache
    def driver(version: str, variant: str = "stock", change: Change = str) -> Driver:
        known = combination(variant).upstream_status(Version.parse(version))
        if known == "not-applicable":
            pytest.skip(f"{variant} has nothing to change in {version}")
        folder = tmp_path_factory.mktemp("reliable") / "tree"
        drivers.append(compile_driver(tree_of(version), version, variant, folder, change))
        return drivers[-1]

    yield driver
    for compiled in drivers:
        compiled.close()

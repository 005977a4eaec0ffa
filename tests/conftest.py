"""What all tests share: a cache of their own, the command as users run it, and upstream's real source."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer

from patchkit import limits
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import NetworkUnavailableError, PatchkitError, PlacesExhaustedError
from patchkit.patching import variants
from patchkit.patching.combination import combination
from patchkit.patching.variants import Variant
from patchkit.source.obtain import SourceRequest, obtain
from patchkit.source.tree.tree import SourceTree
from patchkit.ui import Ui
from tests.support.compilers import share_objects
from tests.support.durations import Durations
from tests.support.schedule import NIGHT, ByGroup, arrange, mark_nightly, refuse_unsaid
from tests.support.starts import client as starts

ROOT = Path(__file__).resolve().parent.parent
PINNED = "2.6.14"
"""The release that the Debian pool has had for years: without it nothing real can be tested."""

Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="also run the tests that are marked nightly")
    # Here, since the conftest.py of a folder that is named reads it before pytest_configure; xdist hands it on.
    if "--nightly" in [*sys.argv, *os.environ.get("PYTEST_ADDOPTS", "").split()]:
        os.environ[NIGHT] = "1"


def pytest_configure(config: pytest.Config) -> None:
    """A shell that runs tests in the background (``ci/test &``) ignores SIGINT for them, and patchkit would too."""
    config.pluginmanager.register(Durations())
    share_objects()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # How long one example takes is the machine's load; a test as a whole has its time limit.
    settings.register_profile("patchkit", deadline=None)
    settings.load_profile("patchkit")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByGroup | None:
    return ByGroup(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Quick tests first: what is broken shows in seconds. Those for the night only where they are asked for."""
    refuse_unsaid(items)
    mark_nightly(items)
    if not (config.getoption("--nightly") or NIGHT in os.environ):
        late = [item for item in items if item.get_closest_marker("nightly") is not None]
        config.hook.pytest_deselected(items=late)
        items[:] = [item for item in items if item not in late]
    arrange(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A traceback ends with what an error was; why stands below it."""
    report = yield
    if call.excinfo is not None and isinstance(error := call.excinfo.value, PatchkitError) and error.why:
        report.sections.append((error.name, error.why))
    return report


@pytest.fixture(autouse=True, scope="session")
def _plain_environment() -> Iterator[None]:
    """Clear the developer's own settings, which must not decide what a test does.

    A test that uses them reads them at import. They are cleared before the first fixture of a module: what that builds
    must not depend on them either.
    """
    with pytest.MonkeyPatch.context() as environment:
        for name in (
            "PATCHKIT_GIT",
            "PATCHKIT_MIRROR",
            "PATCHKIT_GUEST",
            "PATCHKIT_UML",
            "PATCHKIT_DEBIAN_KEYRING",
            "PATCHKIT_DEBUG",
            "CFLAGS",
            "CPPFLAGS",
            "LDFLAGS",
        ):
            environment.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def _plain_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (limits.BUILD, limits.NETWORK):  # options set them for the whole process: monkeypatch takes that back
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_variants_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A variant that a test brings is known in this process by its name; the next test may copy one to that name."""
    brought: dict[str, Variant] = {}
    monkeypatch.setattr(variants, "_own", brought)
    yield
    if brought:
        variants.variant.cache_clear()
        combination.cache_clear()


@pytest.fixture
def ui() -> Ui:
    return Ui(quiet=True)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty cache of the test's own."""
    return Cache(tmp_path / "cache")


@pytest.fixture(scope="session")
def shared_cache() -> Cache:
    """The user's cache, for what is slow to get and verified when it is used."""
    return Cache.default()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk small enough to fill")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"this root may not mount: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture
def patchkit(tmp_path: Path) -> Run:
    """Run ``patchkit`` as a user would, in a folder of the test's own."""

    def run(
        *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        return starts.run(arguments, tmp_path, {**os.environ, **(env or {})}, timeout)

    return run


def upstream(version: str, cache: Cache) -> SourceTree:
    """A release's verified source. Skips where today's mirrors do not have it, except for PINNED."""
    try:
        return obtain(SourceRequest(version), Context(cache, Ui(quiet=True))).tree
    except (NetworkUnavailableError, PlacesExhaustedError) as error:
        if version == PINNED:
            raise
        pytest.skip(f"no place in reach has {version} today: {error.why}")

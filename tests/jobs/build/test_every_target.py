"""``--target all``: every target that can be built here, what is left out and why, and one table for all of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from patchkit.building.toolchain_table import targets
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import BadUsageError, OfflineError
from patchkit.jobs.build.every_target import every_target
from patchkit.jobs.build.request import EVERY, BuildRequest, ReleasesRequest
from patchkit.jobs.build.shared_work import SharedWork
from patchkit.patching.combination import combination
from patchkit.source.obtain import SourceRequest
from patchkit.ui import Ui
from tests.conftest import PINNED, Run


@pytest.fixture
def context(shared_cache: Cache, ui: Ui) -> Context:
    return Context(shared_cache, ui)


OFFLINE = ("--engine", "host", "--offline")


def test_each_target_is_tried_or_left_out_with_the_reason(tmp_path: Path, patchkit: Run) -> None:
    """No cache, no network: none gets as far as a source, and none keeps the others back."""
    words = ["build", "--version", PINNED, "--target", EVERY, *OFFLINE, "--out", "dist"]
    done = patchkit(*words, "--json", env={"PATCHKIT_CACHE": str(tmp_path / "cache")})
    assert done.returncode == OfflineError.exit_code, done.stderr
    document = json.loads(done.stdout)
    tried = [failure["target"] for failure in document["failed"]]
    left_out = {entry["target"]: entry for entry in document["left_out"]}
    assert sorted([*tried, *left_out]) == sorted(targets())
    assert "linux-amd64" in tried
    for name, entry in left_out.items():
        assert entry["what"].startswith("this host lacks "), entry
        assert f"{name} is left out: this host lacks " in done.stderr
        assert "apt-get install" in done.stderr


def test_one_table_has_what_failed_and_what_was_left_out(tmp_path: Path, patchkit: Run) -> None:
    """Series 2.2 has one target only."""
    words = ["build", "--version", "2.2.3", "--target", EVERY, *OFFLINE, "--out", "dist"]
    done = patchkit(*words, env={"PATCHKIT_CACHE": str(tmp_path / "cache")})
    assert done.returncode == OfflineError.exit_code, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["target", "file", "size", "time", "sha256"]
    reasons = {row.split()[0]: row for row in rows}
    assert reasons.keys() == set(targets())
    assert f"failed ({OfflineError.exit_code}): " in reasons["linux-amd64"]
    assert "left out: series 2.2 is not built for Windows" in reasons["windows-amd64"]
    assert "left out: series 2.2 is not built as a static program" in reasons["linux-static-amd64"]


def request(**changes: object) -> ReleasesRequest:
    build = BuildRequest(SourceRequest(PINNED), ["stock"], packages=("deb",))
    return ReleasesRequest(build, **{"targets": [EVERY], **changes})  # type: ignore[arg-type]


def test_a_cluster_is_told_its_targets_by_name(context: Context) -> None:
    with pytest.raises(BadUsageError, match="--on and --target all exclude each other"):
        every_target(request(on="tcp://x:1"), context)


def test_targets_that_are_named_stay_as_they_are(context: Context) -> None:
    asked = request(targets=["windows-amd64"])
    assert every_target(asked, context) == (asked, [])
    with pytest.raises(BadUsageError, match="--package deb is for Linux"):
        asked.by_target()[0].validate()


def test_windows_gets_no_package_where_nobody_named_it() -> None:
    asked = request(targets=["windows-amd64", "linux-amd64"], every=True)
    assert [list(build.packages) for build in asked.by_target()] == [[], ["deb"]]


def test_a_source_and_a_diff_are_made_once_for_all_targets(context: Context) -> None:
    shared, source = SharedWork(), SourceRequest(PINNED)
    first = shared.obtained(source, context, is_known=True)
    assert shared.obtained(SourceRequest(PINNED), context, is_known=True) is first
    diff = shared.rendered(combination("retransmit"), source, context.cache, guard=False)
    assert shared.rendered(combination("retransmit"), source, context.cache, guard=False) is diff
    assert shared.rendered(combination("retransmit"), source, context.cache, guard=True) is not diff
    assert [shared.is_new(line) for line in ("a", "b", "a")] == [True, True, False]

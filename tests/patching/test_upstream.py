"""Against upstream's real sources: the tarballs in reach, and all of its history where PATCHKIT_GIT has it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.patching.combination import combination
from patchkit.patching.render import render
from patchkit.patching.variants import STOCK, names
from patchkit.releases.catalog import Release, catalog
from patchkit.source.git import repository
from patchkit.source.tree.tree import SourceTree
from patchkit.ui import Ui
from tests.conftest import upstream
from tests.support.patching.real_tools import check_with_git_and_patch

GIT = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards
TAGGED = [release for release in catalog().releases if release.tag] if GIT else catalog().releases[:1]


@pytest.mark.slow
@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("version", ["2.5.1", "2.6.14", "2.7.7", "2.7.8"])
def test_tarballs_in_reach(version: str, guard: bool, shared_cache: Cache, tmp_path: Path) -> None:
    check_with_git_and_patch(upstream(version, shared_cache), guard, tmp_path)


@pytest.mark.skipif(not GIT, reason="PATCHKIT_GIT is not set to a full clone of upstream")
@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("release", TAGGED, ids=lambda release: release.version.text)
def test_every_tag_of_upstream(release: Release, guard: bool, cache: Cache, ui: Ui, tmp_path: Path) -> None:
    tree = repository.tree_at(str(GIT), release.ref, Context(cache, ui), pin=release.tag)
    assert release.tag is not None
    check_with_git_and_patch(tree, guard, tmp_path)
    rendered = render(combination("retransmit"), tree, release.version.text, guard=guard)
    ((path, done),) = rendered.files.items()
    assert path in release.tag.blobs
    assert path.endswith("reliable.c")
    # Nothing but the two lines of the change, and the guard's three.
    before, after = tree.read(path).split(b"\n"), done.split(b"\n")
    assert len(after) - len(before) == (5 if guard else 1)
    assert sum(b"reliable_schedule_now" in text for text in after) == (
        sum(b"reliable_schedule_now" in text for text in before) + 1
    )


@pytest.mark.slow
@pytest.mark.skipif(not GIT, reason="PATCHKIT_GIT is not set to a full clone of upstream")
@pytest.mark.parametrize("name", [name for name in names() if name != STOCK])
@pytest.mark.parametrize("release", TAGGED, ids=lambda release: release.version.text)
def test_all_names_are_there_in_every_tag(release: Release, name: str, cache: Cache, ui: Ui) -> None:
    """As a tree of somebody's, which is not taken for upstream's because of its pins."""
    combined = combination(name)
    if combined.upstream_status(release.version) == "not-applicable":
        return
    tree = repository.tree_at(str(GIT), release.ref, Context(cache, ui), pin=release.tag)
    theirs = SourceTree(replace(tree.origin, verified=False), tree.entries)
    assert render(combined, theirs, "theirs").files == render(combined, tree, "theirs").files

"""A rendered diff is kept for just the source, the variant and the guard that it was rendered for, and is the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.jobs.build import kept_diff
from patchkit.jobs.build.kept_diff import rendered
from patchkit.patching.combination import combination
from patchkit.source.obtain import Obtained, SourceRequest, obtain
from patchkit.ui import Ui
from tests.conftest import PINNED


@pytest.fixture(scope="module")
def obtained(shared_cache: Cache) -> Obtained:
    return obtain(SourceRequest(PINNED, pinned_tarball=True), Context(shared_cache, Ui(quiet=True)))


def kept_files(cache: Cache) -> int:
    return len(list(cache.diffs.glob(f"*{kept_diff.SUFFIX}")))


def test_the_kept_diff_is_the_rendered_one(cache: Cache, obtained: Obtained) -> None:
    variant = combination("recommended")
    first = rendered(variant, obtained, cache, guard=False)
    assert kept_files(cache) == 1
    assert rendered(variant, obtained, cache, guard=False) == first
    (path,) = cache.diffs.glob(f"*{kept_diff.SUFFIX}")
    path.write_bytes(path.read_bytes()[:-2])  # damaged: rendered anew
    assert rendered(variant, obtained, cache, guard=False) == first
    assert kept_files(cache) == 1


def test_another_guard_or_variant_is_another_diff(cache: Cache, obtained: Obtained) -> None:
    plain = rendered(combination("retransmit"), obtained, cache, guard=False)
    guarded = rendered(combination("retransmit"), obtained, cache, guard=True)
    assert plain.diff != guarded.diff
    assert rendered(combination("stock"), obtained, cache, guard=False).diff == b""
    assert kept_files(cache) == 2


def test_nothing_is_kept_of_a_source_that_no_pin_covers(cache: Cache, obtained: Obtained) -> None:
    origin = replace(obtained.tree.origin, verified=False)
    loose = replace(obtained, tree=replace(obtained.tree, origin=origin))
    rendered(combination("recommended"), loose, cache, guard=False)
    assert kept_files(cache) == 0

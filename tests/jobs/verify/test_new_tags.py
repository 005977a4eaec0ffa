"""What upstream has that the pins do not know."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import (
    AnchorError,
    BadSignatureError,
    BadUsageError,
    GitError,
    NewReleaseError,
    StorageError,
    TagMovedError,
    UnknownVariantError,
    WrongReleaseError,
)
from patchkit.jobs.verify.new_tags import NewTag, NewTagsRequest, gravest_error, new_tags
from patchkit.releases.catalog import catalog
from patchkit.source.git.remote_tags import remote_tags
from patchkit.source.obtain import SourceRequest
from patchkit.ui import Ui
from tests.conftest import PINNED
from tests.support.jobs.made_up_release import VERSION, Upstream
from tests.support.patching.samples import GNU


def tags_of(where: str | None, cache: Cache, **options: Any) -> list[NewTag]:
    return new_tags(NewTagsRequest(SourceRequest(git=where), **options), Context(cache, Ui(quiet=True)))


HISTORY = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards


@pytest.mark.parametrize("by_url", [False, True])
def test_a_new_tag_is_looked_at(upstream: Upstream, cache: Cache, by_url: bool) -> None:
    upstream.tag()
    upstream.repository.git("tag", "start_of_2.9")
    upstream.repository.git("tag", "v2.0.9")  # before all that is of interest
    where = upstream.repository.url if by_url else upstream.git
    (tag,) = tags_of(where, cache)
    assert (tag.version.text, tag.tag, tag.pinned) == (VERSION, f"v{VERSION}", None)
    assert tag.commit == upstream.repository.git("rev-parse", "HEAD")
    assert tag.judgement is not None
    assert tag.judgement.worth == "unknown key"  # the made-up key is not among patchkit's own
    assert {cell.variant: cell.verdict for cell in tag.cells}["retransmit"] == "refused"
    assert isinstance(gravest_error([tag]), AnchorError)


def test_a_further_key_counts(upstream: Upstream, cache: Cache) -> None:
    upstream.tag()
    (tag,) = tags_of(upstream.git, cache, keys=[upstream.public])
    assert tag.judgement is not None
    assert (tag.judgement.worth, tag.judgement.key) == ("good", upstream.key)


def test_variants_in_question_are_the_only_ones_looked_at(upstream: Upstream, cache: Cache) -> None:
    upstream.tag()
    (tag,) = tags_of(upstream.git, cache, variants=["recommended", "early", "recommended"])
    assert {cell.variant for cell in tag.cells} == {"recommended", "early"}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"variants": ["none-such"]}, UnknownVariantError),
        ({"variants": ["stock"]}, BadUsageError),
        ({"keys": [Path("nowhere.asc")]}, StorageError),
    ],
    ids=["no variant", "stock", "no key"],
)
def test_what_makes_no_sense_is_said_even_without_news(
    upstream: Upstream, cache: Cache, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        tags_of(upstream.git, cache, **options)


def test_since_leaves_older_ones_out(upstream: Upstream, cache: Cache) -> None:
    upstream.tag()
    assert tags_of(upstream.git, cache, since="2.10") == []
    assert gravest_error([]) is None


def test_a_known_tag_that_leads_elsewhere_comes_first(upstream: Upstream, cache: Cache) -> None:
    upstream.tag()
    upstream.tag(f"v{PINNED}")
    moved, fresh = tags_of(upstream.git, cache, since="2.6")
    pin = catalog().find(PINNED).tag
    assert pin is not None
    assert (moved.pinned, fresh.pinned) == (pin.commit, None)
    assert isinstance(gravest_error([moved, fresh]), TagMovedError)


def test_a_release_that_is_pinned_as_a_tarball_is_no_news(upstream: Upstream, cache: Cache) -> None:
    by_tarball = max(release.version for release in catalog().releases if release.tag is None)
    upstream.tag(f"v{by_tarball}")
    (tag,) = tags_of(upstream.git, cache, since=by_tarball.text)
    assert (tag.known, tag.pinned) == ("pinned as a tarball only", None)
    assert tag.judgement is not None  # its tag is as unknown as a new release's
    assert gravest_error([replace(tag, error=None)]) is None
    upstream.tag()
    old, fresh = tags_of(upstream.git, cache, since=by_tarball.text)
    assert (old.known, fresh.known) == ("pinned as a tarball only", "new")
    error = gravest_error([replace(tag, error=None) for tag in (old, fresh)])
    assert isinstance(error, NewReleaseError)
    assert (error.what, error.why) == ("upstream has 1 release that the pins do not know", VERSION)


def test_hostile_tags_are_no_releases(upstream: Upstream, cache: Cache) -> None:
    for name in ("v2.9.1;id", "v2.9.1$(id)", "v2.9.1/../../x", "v" + "9" * 150):
        commit = upstream.repository.git("rev-parse", "HEAD")
        if "/.." not in name:
            upstream.repository.git("update-ref", f"refs/tags/{name}", commit)
    assert tags_of(upstream.git, cache) == []


def test_a_place_without_a_repository(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(GitError):
        remote_tags(str(tmp_path), cache)
    with pytest.raises(GitError):
        remote_tags(tmp_path.as_uri(), cache)


def test_news_alone_have_a_code_of_their_own(upstream: Upstream, cache: Cache) -> None:
    upstream.tag()
    (tag,) = tags_of(upstream.git, cache)
    fine = type(tag)(tag.version, tag.tag, tag.commit, None, tag.judgement)
    error = gravest_error([fine])
    assert isinstance(error, NewReleaseError)
    assert VERSION in error.advice


@pytest.mark.parametrize(
    ("how", "worth"),
    [({}, "unknown key"), ({"key": ""}, "missing"), ({"hash": "SHA1"}, "weak")],
    ids=["unknown key", "unsigned", "weak"],
)
def test_what_nothing_vouches_for_is_news_and_no_finding(
    upstream: Upstream, cache: Cache, how: dict[str, Any], worth: str
) -> None:
    """`verify --version` gives 72 to 74 for these, unless the tarball is signed."""
    upstream.repository.commit({"src/openvpn/reliable.c": GNU.encode()})  # the variant applies to it
    upstream.tag(**how)
    keys = [upstream.public] if worth == "weak" else []
    tags = tags_of(upstream.git, cache, variants=["retransmit"], keys=keys)
    assert [(tag.judgement.worth, tag.error) for tag in tags if tag.judgement] == [(worth, None)]
    assert isinstance(gravest_error(tags), NewReleaseError)


@pytest.mark.parametrize(
    ("how", "error"), [({"altered": True}, BadSignatureError), ({"name": "v2.9.0"}, WrongReleaseError)]
)
def test_a_forged_tag_is_not_hidden_behind_a_refused_variant(
    upstream: Upstream, cache: Cache, how: dict[str, Any], error: type[Exception]
) -> None:
    """The older release, which comes first, has no anchors; the newer one is not what it seems."""
    upstream.tag()
    upstream.tag("v2.9.2", **how)
    refused, forged = tags_of(upstream.git, cache, variants=["retransmit"], keys=[upstream.public])
    assert isinstance(refused.error, AnchorError)
    assert isinstance(forged.error, error)
    assert gravest_error([refused, forged]) is forged.error


@pytest.mark.skipif(HISTORY is None, reason="PATCHKIT_GIT does not name upstream's full history")
def test_upstreams_history_is_what_was_pinned(cache: Cache) -> None:
    assert [tag for tag in tags_of(HISTORY, cache) if tag.pinned is not None] == []

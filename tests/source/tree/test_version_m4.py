"""Which release a source tree names itself."""

from __future__ import annotations

import pytest

from patchkit.errors import BadSourceError
from patchkit.releases.version import Version
from patchkit.source.tree.tree import Entry, Origin, SourceTree
from patchkit.source.tree.version_m4 import own_series, own_version


def tree(text: str | None) -> SourceTree:
    entries = {} if text is None else {"version.m4": Entry.of(text.encode())}
    return SourceTree(Origin(kind="git", name="x", verified=False, epoch=0), entries)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("define(PRODUCT_VERSION,[2.1.4])", "2.1.4"),
        ("define([PRODUCT_VERSION], [2.3_alpha1])\ndefine([PRODUCT_VERSION_RESOURCE], [2,3,0,0])", "2.3_alpha1"),
        ("define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [7])\n"
         "define([PRODUCT_VERSION_PATCH], [_rc2])", "2.7_rc2"),
        ("define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [8])\n"
         "define([PRODUCT_VERSION_PATCH], [_git])", None),
        ("define([PRODUCT_VERSION], [../../x])", None),
        ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_what_a_source_says_of_itself(text: str | None, version: str | None) -> None:
    assert own_version(tree(text)) == (Version.parse(version) if version else None)


def test_a_development_branch_has_a_series_all_the_same() -> None:
    text = "define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [8])\n"
    assert own_series(tree(text)) == "2.8"
    with pytest.raises(BadSourceError):
        own_series(tree("nothing"))

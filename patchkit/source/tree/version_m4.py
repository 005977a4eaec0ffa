"""Which release a source tree says that it is: ``version.m4``, which upstream has since 2.1_rc3."""

from __future__ import annotations

import re

from patchkit.errors import BadSourceError, UnknownVersionError
from patchkit.releases.version import Version
from patchkit.source.tree.tree import SourceTree

_FILE = "version.m4"


def own_series(tree: SourceTree) -> str:
    """``2.6``. Raises BadSourceError where the tree does not say."""
    found = re.match(r"(\d+\.\d+)", _own_words(tree))
    if found is None:
        raise BadSourceError(
            f"{tree.origin.name} does not say which version it is", why=f"{_FILE} holds no PRODUCT_VERSION"
        )
    return found[1]


def own_version(tree: SourceTree) -> Version | None:
    """The release, or None where it does not say, or names none: a development branch calls itself ``2.8_git``."""
    if _FILE not in tree:
        return None
    try:
        return Version.parse(_own_words(tree))
    except UnknownVersionError:
        return None


def _own_words(tree: SourceTree) -> str:
    """Since 2.4 the number is split in three; before, it is one word."""
    text = tree.read(_FILE).decode("utf-8", "replace")
    split = {
        part: re.search(rf"PRODUCT_VERSION_{part}\]?,\s*\[([^]]*)\]", text) for part in ("MAJOR", "MINOR", "PATCH")
    }
    if split["MAJOR"] and split["MINOR"]:
        patch = split["PATCH"][1] if split["PATCH"] else ""
        return f"{split['MAJOR'][1]}.{split['MINOR'][1]}{patch}"
    whole = re.search(r"PRODUCT_VERSION\]?,\s*\[([^]]*)\]", text)
    return whole[1] if whole else ""

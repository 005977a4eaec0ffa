"""Read from a source tree which release it is: from ``version.m4``, which upstream has since 2.1_rc3."""

from __future__ import annotations

import re

from patchkit.errors import BadSourceError, UnknownVersionError
from patchkit.releases.version import Version
from patchkit.source.tree.tree import SourceTree

_FILE = "version.m4"


def own_series(tree: SourceTree) -> str:
    """Return the series of ``tree``, such as ``2.6``. Raises BadSourceError where the tree does not name one."""
    series = re.match(r"(\d+\.\d+)", _product_version(tree), re.ASCII)
    if series is None:
        raise BadSourceError(f"{tree.origin.name} does not name its version", why=f"{_FILE} holds no PRODUCT_VERSION")
    return series[1]


def own_version(tree: SourceTree) -> Version | None:
    """Return the release of ``tree``, or None where it names none: a development branch is ``2.8_git``."""
    if _FILE not in tree:
        return None
    try:
        return Version.parse(_product_version(tree))
    except UnknownVersionError:
        return None


def _product_version(tree: SourceTree) -> str:
    """Return the version in version.m4: since 2.4 split in three parts, before in one."""
    text = tree.read(_FILE).decode("utf-8", "replace")
    split = {
        part: re.search(rf"PRODUCT_VERSION_{part}\]?,\s*\[([^]]*)\]", text) for part in ("MAJOR", "MINOR", "PATCH")
    }
    if split["MAJOR"] and split["MINOR"]:
        patch = split["PATCH"][1] if split["PATCH"] else ""
        return f"{split['MAJOR'][1]}.{split['MINOR'][1]}{patch}"
    whole = re.search(r"PRODUCT_VERSION\]?,\s*\[([^]]*)\]", text)
    return whole[1] if whole else ""

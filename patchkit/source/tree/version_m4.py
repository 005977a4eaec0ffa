"""Read from a source tree which release it is: from ``version.m4``, which upstream has since 2.1_rc3, or CMake's file.

A fork may have dropped ``version.m4`` and build with CMake alone.
"""

from __future__ import annotations

import re

from patchkit.errors import BadSourceError, UnknownVersionError
from patchkit.releases.version import Version, base_of
from patchkit.source.tree.code_series import series_of_code
from patchkit.source.tree.tree import SYMLINK, SourceTree

_FILE = "version.m4"
_CMAKE = "CMakeLists.txt"
# No repetition is without a bound, nor is what is read: the files of others need not end where they should.
_READ = 1 << 17  # bytes; upstream's files have some 3 and 30 kB
_IN_CMAKE = (
    r"""^[ \t]{0,80}set\s{0,80}\(\s{0,80}(?:OPENVPN|PRODUCT|PACKAGE)_VERSION\s{1,80}"?([\w.+~-]{1,200})"?\s{0,80}\)""",
    r"""^[ \t]{0,80}project\s{0,80}\([^)]{0,400}\bVERSION\s{1,80}"?([\w.+~-]{1,200})"?""",
)


def own_series(tree: SourceTree) -> str:
    """Return the series of ``tree``, such as ``2.6``: its own, or the one that its code is like where its number is not
    upstream's. Raises BadSourceError where the tree does not name a version.
    """
    text = own_text(tree)
    if not text:
        tree.find("reliable.c")
        raise unnamed(tree, "check it out, and give the folder with --source, and --version V")
    base = base_of(text)
    return base.series if base is not None and base.is_upstreams else series_of_code(tree)


def unnamed(tree: SourceTree, advice: str) -> BadSourceError:
    """Return the error for a tree that does not name its version."""
    return BadSourceError(
        f"{tree.origin.name} does not name its version",
        why=f"neither {_FILE} nor {_CMAKE} has one",
        advice=advice,
    )


def own_version(tree: SourceTree) -> Version | None:
    """Return the release of ``tree``, or None where it names none: a development branch is ``2.8_git``."""
    try:
        return Version.parse(own_text(tree))
    except UnknownVersionError:
        return None


def own_text(tree: SourceTree) -> str:
    """Return what ``tree`` calls itself, word for word, such as ``2.7_git``; an empty text where it does not."""
    if _is_file(tree, _FILE):
        text = _product_version(_text(tree, _FILE))
        if text:
            return text
    if _is_file(tree, _CMAKE):
        text = _text(tree, _CMAKE)
        for pattern in _IN_CMAKE:
            if match := re.search(pattern, text, re.MULTILINE):
                return match[1]
    return ""


def _text(tree: SourceTree, path: str) -> str:
    return tree.read(path)[:_READ].decode("utf-8", "replace")


def _is_file(tree: SourceTree, path: str) -> bool:
    return path in tree and tree.entries[path].mode != SYMLINK


def _product_version(text: str) -> str:
    """Return the version in version.m4: since 2.4 split in three parts, before in one."""
    split = {
        part: re.search(rf"PRODUCT_VERSION_{part}\]?,\s{{0,80}}\[([^]]{{0,200}})\]", text)
        for part in ("MAJOR", "MINOR", "PATCH")
    }
    if split["MAJOR"] and split["MINOR"]:
        patch = split["PATCH"][1] if split["PATCH"] else ""
        return f"{split['MAJOR'][1]}.{split['MINOR'][1]}{patch}"
    whole = re.search(r"PRODUCT_VERSION\]?,\s{0,80}\[([^]]{0,200})\]", text)
    return whole[1] if whole else ""

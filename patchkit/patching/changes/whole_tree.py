"""Find the changes of all files of a tree, and add to an error what is known of the tree."""

from __future__ import annotations

import re
from collections.abc import Iterator

from patchkit.errors import AnchorError, BadVariantError
from patchkit.patching import names, pins, traces
from patchkit.patching.changes.edited_file import EditedFile
from patchkit.patching.changes.one_file import change_of
from patchkit.patching.combination import Combination
from patchkit.patching.csource.file import MAX_SOURCE, parse
from patchkit.releases.version import Version
from patchkit.source.tree.code_series import series_of_code
from patchkit.source.tree.tree import SYMLINK, SourceTree
from patchkit.source.tree.version_m4 import own_text


def changes_of(combined: Combination, tree: SourceTree, *, guard: bool, check_names: bool = True) -> list[EditedFile]:
    """Find what ``combined`` changes in each file of ``tree``; files that stay as they are have no change.

    Raises BadVariantError where nothing changes, and what :func:`patchkit.patching.render.render` raises, but for
    what comes of the finished diff.
    """
    if guard:
        combined.check_guard()
    traces.refuse_patched(combined, tree)
    try:
        changes = [change for file in combined.files if (change := change_of(combined, tree, file, guard=guard)).edits]
    except AnchorError as error:
        error.why = "\n".join([error.why, *_hints(combined, tree, error.missing), *_between_releases(tree)])
        raise
    if not changes:
        raise BadVariantError(f"{combined.name} changes nothing in this release")
    # A pinned tree is upstream's to the byte, and what becomes of it is pinned too: it was compiled.
    pinned = tree.origin.verified and all(pins.is_upstreams(each.path, each.source.data) for each in changes)
    if check_names and not pinned:
        try:
            names.check(combined.name, tree, [change.changed for change in changes], guard=guard)
        except AnchorError as error:
            error.why = "\n".join([error.why, *_between_releases(tree)])
            raise
    return changes


def _between_releases(tree: SourceTree) -> Iterator[str]:
    """Yield that ``tree`` is a state between two releases, where its own version says so."""
    if (own := own_text(tree)).endswith("_git"):
        yield f"the source calls itself {own}: between two releases, code can be like the one here and the other there"


def _hints(combined: Combination, tree: SourceTree, missing: str) -> Iterator[str]:
    """Yield what else is known of an anchor that is not there."""
    if combined.upstream_status(Version.parse(series_of_code(tree))) == "not-applicable":
        yield f"{combined.name} does not apply to releases whose code is like this"
    yield from (f"{missing} is in {path}, where no variant looks for it" for path in _defining(combined, tree, missing))
    for presence in traces.found_in(tree):
        yield (
            f"the source has {presence.name}, at least in part: variants that go together are given together, "
            f"for an unaltered source: --variant {presence.part.name}+{combined.name}"
        )


def _defining(combined: Combination, tree: SourceTree, missing: str) -> Iterator[str]:
    """Yield the files that define the function or struct ``missing``, if ``combined`` changes it."""
    struct = missing.removeprefix("struct ")
    is_struct = struct != missing and struct in combined.structs
    if not is_struct and missing not in combined.functions:
        return
    for path in sorted(path for path in tree.entries if re.fullmatch(r"(src/openvpn/)?[^/]+\.[ch]", path)):
        if (
            tree.entries[path].mode != SYMLINK
            and len(data := tree.read(path)) <= MAX_SOURCE
            and struct.encode() in data
        ):
            source = parse(path, data, 0)
            if source.structs(struct) if is_struct else missing in source.defined:
                yield path

"""Find the file of a tree that a variant names."""

from __future__ import annotations

from patchkit.errors import AnchorError, BadSourceError
from patchkit.patching.combination import Combination
from patchkit.patching.variants import DESCRIPTION, Variant
from patchkit.printable import in_one_line
from patchkit.source.tree.tree import SourceTree


def path_to_change(combined: Combination, tree: SourceTree, file: str) -> str:
    """Find ``file`` in ``tree``.

    Raises BadSourceError where it is missing, and AnchorError where a user's own variant names a file that no source
    has.
    """
    try:
        return tree.find_to_change(file)
    except BadSourceError as error:
        own = [part for part in combined.parts if part.is_own and file in part.files]
        if not own or not is_openvpn(tree) or tree.has(file):
            raise
        raise no_such_file(own[0], file, tree.origin.name) from error


def is_openvpn(tree: SourceTree) -> bool:
    """Return whether ``tree`` has the file that every release has, in its folder or an old one's."""
    return tree.has("reliable.c")


def no_such_file(own: Variant, file: str, source: str) -> AnchorError:
    """Make the error for a user's own variant that names a file that ``source`` does not have."""
    return AnchorError(
        f"{own.name} changes {in_one_line(file)[:200]}, and {source} has no such file",
        why=f"`files` in {in_one_line(str(own.folder / DESCRIPTION))} names it",
        advice="check the name: a file of src/openvpn, without its folder; or name releases that have it",
    )

"""Diffs for people who build elsewhere, in the form that their tool reads: quilt, ``git am``, or ``patch``."""

from __future__ import annotations

from typing import Literal

from patchkit.patching.combination import Combination
from patchkit.patching.formats import quilt
from patchkit.patching.formats.mbox import mbox
from patchkit.patching.render import render, render_series
from patchkit.source.tree.tree import SourceTree

Format = Literal["quilt", "git", "plain"]
"""The tool that reads the diffs."""


def files(
    form: Format, combined: Combination, tree: SourceTree, label: str, *, series: str | None = None, guard: bool
) -> dict[str, bytes]:
    """Render ``combined`` in the form ``form``: file names and contents.

    One patch a part for quilt, and one for each of a user's diffs; the same in one mbox for git; one diff for
    ``patch``. Raises what :func:`patchkit.patching.render.render` raises.
    """
    stem = f"openvpn-{label}{combined.suffix(guard=guard)}"
    if form == "plain":
        return {f"{stem}.diff": render(combined, tree, label, series=series, guard=guard).diff}
    patches = render_series(combined.one_by_one, tree, label, series=series, guard=guard)
    if form == "git":
        return {f"{stem}.mbox": mbox(combined, patches)}
    return {quilt.file_name(patch.variant, guard=guard): patch.diff for patch in patches}

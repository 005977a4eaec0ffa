"""One cell of the matrix: whether a variant applies exactly to given files, and what they become."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from patchkit.errors import PatchkitError
from patchkit.patching.combination import Combination, combination
from patchkit.patching.pins import pinned
from patchkit.patching.render import render
from patchkit.patching.variants import UpstreamStatus
from patchkit.source.tree.tree import Entry, Origin, SourceTree

MatrixVerdict = Literal["exact", "superseded", "not-applicable", "refused"]


@dataclass(frozen=True)
class Attempt:
    """The result of rendering a variant against some files: what they become, or why it was refused."""

    files: Mapping[str, str]
    """The SHA-256 of each post-image, by path."""
    pinned: bool
    """Whether there is a pin for each variant and each of these files, and the result is as pinned."""
    error: PatchkitError | None = None


@dataclass(frozen=True)
class MatrixCell:
    """One release, one variant, one form."""

    variant: str
    guard: bool
    verdict: MatrixVerdict
    upstream: UpstreamStatus | None
    """None when the catalogue has no range for such a release."""
    attempt: Attempt | None
    """None when nothing was rendered, because nothing applies."""

    @property
    def sha256(self) -> str | None:
        """One hash for all post-images: a single one's own, or that of the lines that sha256sum prints for them."""
        files = dict(sorted(self.attempt.files.items())) if self.attempt else {}
        if len(files) > 1:
            lines = "".join(f"{digest}  {path}\n" for path, digest in files.items())
            return hashlib.sha256(lines.encode()).hexdigest()
        return next(iter(files.values()), None)

    @property
    def error(self) -> PatchkitError | None:
        """Why the variant was refused; None when it was not."""
        return self.attempt.error if self.attempt else None


def attempt(
    name: str, guard: bool, files: Mapping[str, bytes], label: str, beside: Mapping[str, bytes] | None = None
) -> Attempt:
    """Render the variant ``name`` against ``files``, apply the diff in memory and verify.

    ``label`` names the release in the diff's header. ``beside`` are the other files of the tree that say what its code
    has: headers, and what other variants change; with None, which is for trees that are pinned, they are not looked at.

    A PatchkitError is in the result and not raised; other exceptions are faults of patchkit itself. Raises
    UnknownVariantError when there is no such variant.
    """
    combined = combination(name)
    origin = Origin(kind="git", name=label, verified=False, epoch=0)
    tree = SourceTree(origin, {path: Entry.of(data) for path, data in {**(beside or {}), **files}.items()})
    try:
        rendered = render(combined, tree, label, guard=guard, check_names=beside is not None)
    except PatchkitError as error:
        return Attempt({}, pinned=False, error=error)
    known = (
        pinned(part, path, files[path], guard=guard)
        for part in combined.parts
        for path in rendered.files
        if path in files  # others are new
        if path in part.files or path.rpartition("/")[2] in part.files
    )
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in rendered.files.items()}
    return Attempt(digests, pinned=bool(digests) and all(known))


def judge(combined: Combination, guard: bool, upstream: UpstreamStatus | None, attempted: Attempt | None) -> MatrixCell:
    """Make the cell that follows from ``upstream`` and ``attempted``. A refusal outweighs all but not-applicable.

    Raises ValueError when the variant applies and was not rendered.
    """
    verdict: MatrixVerdict
    if upstream == "not-applicable":
        verdict, attempted = "not-applicable", None
    elif attempted is None:
        raise ValueError(f"{combined.name} applies, and was not rendered")
    elif attempted.error is not None:
        verdict = "refused"
    else:
        verdict = "superseded" if upstream == "superseded" else "exact"
    return MatrixCell(combined.name, guard, verdict, upstream, attempted)

"""One cell of the matrix: does a variant apply to these very files, exactly, and what do they become?"""

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

Verdict = Literal["exact", "superseded", "not-applicable", "refused"]


@dataclass(frozen=True)
class Attempt:
    """What came of rendering a variant against some files: what they become, or why it was refused."""

    files: Mapping[str, str]
    """The SHA-256 of each post-image, by path."""
    pinned: bool
    """Whether pins knew beforehand what each variant makes of each of these files, and agreed."""
    error: PatchkitError | None = None


@dataclass(frozen=True)
class Cell:
    """One release, one variant, one form."""

    variant: str
    guard: bool
    verdict: Verdict
    upstream: UpstreamStatus | None
    """None where the catalogue says nothing of such a release."""
    attempt: Attempt | None
    """None where nothing was tried, because nothing applies."""

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
        """Why it was refused."""
        return self.attempt.error if self.attempt else None


def attempt(name: str, guard: bool, files: Mapping[str, bytes], label: str) -> Attempt:
    """Render, apply in memory and verify. A refusal is an answer; faults of patchkit itself are raised."""
    combined = combination(name)
    origin = Origin(kind="git", name=label, verified=False, epoch=0)
    tree = SourceTree(origin, {path: Entry.of(data) for path, data in files.items()})
    try:
        rendered = render(combined, tree, label, guard=guard)
    except PatchkitError as error:
        return Attempt({}, pinned=False, error=error)
    known = (
        pinned(part, path, files[path], guard=guard)
        for part in combined.parts
        for path in rendered.files
        if path.rpartition("/")[2] in part.files
    )
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in rendered.files.items()}
    return Attempt(digests, pinned=bool(digests) and all(known))


def judge(combined: Combination, guard: bool, upstream: UpstreamStatus | None, tried: Attempt | None) -> Cell:
    """The cell that follows from what upstream did and what was tried. A refusal outweighs all but not-applicable."""
    verdict: Verdict
    if upstream == "not-applicable":
        verdict, tried = "not-applicable", None
    elif tried is None:
        raise ValueError(f"{combined.name} applies, and was not tried")
    elif tried.error is not None:
        verdict = "refused"
    else:
        verdict = "superseded" if upstream == "superseded" else "exact"
    return Cell(combined.name, guard, verdict, upstream, tried)

"""What a port consists of: the patch for the target, and what a person has to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from patchkit.jobs.prove.result import Proof
from patchkit.patching.render import Rendered
from patchkit.patching.touched import Touched


@dataclass(frozen=True)
class Neighbour:
    """A change of upstream's between the two releases that lies next to what the patch changes."""

    row: int
    """The line of the target's file, from 1."""
    removed: Sequence[str]
    added: Sequence[str]


@dataclass(frozen=True)
class PortedFile:
    """One file of the patch."""

    before: str
    """Its path in the release that the patch is for."""
    after: str
    """Its path in the target."""
    is_upstreams: bool
    """Whether upstream has not changed the file between the two, so that nothing had to be merged."""
    has_it_already: bool
    """Whether the target has all of it already."""
    touched_before: Touched
    touched_after: Touched
    changed_by_upstream: Sequence[str] = ()
    """Functions that the patch touches and that upstream has changed between the two releases."""
    neighbours: Sequence[Neighbour] = ()


@dataclass(frozen=True)
class Ported:
    """A patch that was ported."""

    name: str
    before: str
    """The label of the release that the patch is for."""
    after: str
    """The label of the target."""
    rendered: Rendered
    files: Sequence[PortedFile]
    moved_hunks: Sequence[str] = ()
    """Hunks that stand elsewhere in the release that the patch is for than it states."""
    doubt: str = ""
    """A name that the new code uses and the target does not declare as it is used; empty where none was found."""
    proofs: Sequence[Proof] = field(default=())
    """Of both releases, where they were asked for."""

    @property
    def to_review(self) -> int:
        """How many places a person has to look at."""
        return sum(len(file.neighbours) for file in self.files) + bool(self.doubt)

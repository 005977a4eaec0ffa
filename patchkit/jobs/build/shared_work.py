"""What all targets of a release have in common: its source and its diffs, obtained and rendered once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.jobs.build.kept_diff import rendered
from patchkit.patching.combination import Combination
from patchkit.releases.version import shown
from patchkit.source.obtain import Obtained, SourceRequest, obtain

if TYPE_CHECKING:
    from patchkit.patching.render import Rendered


@dataclass
class SharedWork:
    """The sources and diffs of builds that follow each other."""

    _obtained: dict[SourceRequest, Obtained] = field(default_factory=dict)
    _rendered: dict[tuple[SourceRequest, str, bool], Rendered] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def obtained(self, request: SourceRequest, context: Context, *, is_known: bool) -> Obtained:
        """Return the source of ``request``; ``is_known`` where its name is a version's. Raises what ``obtain`` does."""
        if request not in self._obtained:
            name = request.version or str(request.source)
            context.ui.step(f"Source of {name if is_known else shown(name)}")
            self._obtained[request] = obtain(request, context)
        return self._obtained[request]

    def rendered(self, variant: Combination, request: SourceRequest, cache: Cache, *, guard: bool) -> Rendered:
        """Return the diff of ``variant`` for the source of ``request``, which was obtained.

        Raises what ``render`` does: a variant that is refused is refused anew for each target.
        """
        key = (request, variant.name, guard)
        if key not in self._rendered:
            self._rendered[key] = rendered(variant, self._obtained[request], cache, guard=guard)
        return self._rendered[key]

    def is_new(self, line: str) -> bool:
        """Return whether ``line``, a warning, has not been told yet, and keep that it is told now."""
        is_new = line not in self._told
        self._told.add(line)
        return is_new

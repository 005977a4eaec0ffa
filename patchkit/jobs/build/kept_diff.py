"""Keep what a variant's templates make of a verified source: the next build of both need not render them again.

Rendering depends on patchkit's own files, the source and the request alone, and takes a third of a build that finds
everything up to date.
"""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import TYPE_CHECKING

from patchkit import resources
from patchkit.cache import Cache, keep_newest
from patchkit.patching.combination import Combination
from patchkit.source.obtain import Obtained
from patchkit.storage import keep, kept, sum_of

if TYPE_CHECKING:
    from patchkit.patching.render import Rendered

SUFFIX = ".diff.json"
"""The end of the names of kept diffs."""
_KEPT = 200  # files: some hundred kilobytes each, and as many hashes


def rendered(variant: Combination, obtained: Obtained, cache: Cache, *, guard: bool) -> Rendered:
    """Return the diff of ``variant`` for the source ``obtained``: kept, or rendered. Raises what ``render`` raises."""
    from patchkit.patching.render import Rendered, render

    origin = obtained.tree.origin
    source = origin.sha256 or origin.tree
    if variant.is_stock or variant.own or source is None or not origin.verified:
        return render(variant, obtained.tree, obtained.label, series=obtained.series, guard=guard)
    parts = (resources.fingerprint(), source, obtained.label, obtained.series, variant.name, str(guard))
    path = cache.diffs / f"{sha256(chr(0).join(parts).encode()).hexdigest()}{SUFFIX}"
    before = kept(path)
    if before is not None:
        document = json.loads(before)
        files = {name: base64.b64decode(data) for name, data in document["files"].items()}
        return Rendered(variant.name, guard, base64.b64decode(document["diff"]), files)
    made = render(variant, obtained.tree, obtained.label, series=obtained.series, guard=guard)
    files64 = {name: base64.b64encode(data).decode() for name, data in made.files.items()}
    keep(path, json.dumps({"diff": base64.b64encode(made.diff).decode(), "files": files64}).encode())
    for used in (sum_of(path), path):
        keep_newest(path.parent, _KEPT, used=used)
    return made

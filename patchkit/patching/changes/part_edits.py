"""Read the edits that a part's template yields for a file; refuse files that they can't go into."""

from __future__ import annotations

from functools import lru_cache

from patchkit.errors import AlreadyPatchedError
from patchkit.patching import pins
from patchkit.patching.changes.checks import check_inside
from patchkit.patching.changes.computation import Computation
from patchkit.patching.csource.file import CSource
from patchkit.patching.edits import Edit, read_edits
from patchkit.patching.templates import yielded_by
from patchkit.patching.variants import Variant


def edits_of(part: Variant, file: str, source: CSource) -> tuple[Edit, ...]:
    """Return the edits of ``part`` in ``file``, whose text is ``source``: once for each template and text.

    Raises AnchorError, AlreadyPatchedError and BadVariantError.
    """
    if file not in part.files:
        return ()
    known_by = f"{file}\0{part.template(file)}"
    return _edits_once(Computation(part, source, known_by, lambda: tuple(_edits(part, file, source))))


@lru_cache(maxsize=256)
def _edits_once(edits: Computation[tuple[Edit, ...]]) -> tuple[Edit, ...]:
    return edits.run()


def _edits(part: Variant, file: str, source: CSource) -> list[Edit]:
    _refuse_patched(part, source)
    _refuse_broken(part, source)
    _refuse_doubled(part, file, source)
    edits = read_edits(yielded_by(part, file, source), source.lines, part, file)
    check_inside(part, edits, source)
    return edits


def _refuse_patched(part: Variant, source: CSource) -> None:
    for name in part.functions:
        for node in source.declarations(name):
            body = source.data[node.start_byte : node.end_byte]
            markers = [marker for marker in part.markers if marker.encode() in body]
            if markers:
                row = node.start_point.row + 1 + body[: body.index(markers[0].encode())].count(b"\n")
                raise AlreadyPatchedError(
                    f"{source.name} is patched already",
                    why=f"{name} holds {', '.join(map(repr, markers))}\nline {row}: {source.text(row)}",
                    advice="start from an unaltered source: patchkit fetch --version V --to DIR",
                )


def _refuse_broken(part: Variant, source: CSource) -> None:
    for name in part.functions:
        for node in source.declarations(name):
            source.parsed(node, name)


def _refuse_doubled(part: Variant, file: str, source: CSource) -> None:
    """A function of which there are two, by a condition, would change in one of them, and it is not known which counts.

    Upstream's files were looked at when their pins were made.
    """
    if pins.is_upstreams(file, source.data):
        return
    for name in part.functions:
        defined = [node for node in source.declarations(name) if node.type == "function_definition"]
        if len(defined) > 1:
            rows = [node.start_point.row + 1 for node in defined]
            raise source.refusal(f"the function {name}", name, rows)

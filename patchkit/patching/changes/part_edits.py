"""One part's edits of one file, as its template yields them, and what they are refused for."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.errors import AlreadyPatchedError, AnchorError
from patchkit.patching import pins
from patchkit.patching.changes.once import Once, found_once
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
    return found_once(Once(part, source, known_by, lambda: tuple(_edits(part, file, source)))) or ()


def _edits(part: Variant, file: str, source: CSource) -> list[Edit]:
    _refuse_patched(part, source)
    _refuse_broken(part, source)
    _refuse_doubled(part, file, source)
    edits = read_edits(yielded_by(part, file, source), source.lines, part, file)
    hold_inside(part, edits, source)
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


def hold_inside(part: Variant, edits: Sequence[Edit], source: CSource) -> None:
    """Raise AnchorError for a change outside of what ``part`` names; new functions stand behind a named one."""
    functions = [node for name in part.functions for node in source.declarations(name)]
    structs = [node for name in part.structs for node in source.structs(name)]
    spans = [(node.start_point.row, node.end_point.row + 1) for node in (*functions, *structs)]
    for edit in edits:
        # What only puts lines in must stand between two lines of the function, or be functions behind it.
        last = 1 if part.added else 0
        inside = (
            (start <= edit.start and edit.end <= end) if edit.old else (start < edit.start < end + last)
            for start, end in spans
        )
        if not any(inside):
            named = [*part.functions, *(f"struct {name}" for name in part.structs)]
            raise AnchorError(
                f"{part.name} would change {source.name} outside of {', '.join(named)}",
                why=f"line {edit.start + 1}: {source.text(min(edit.start + 1, len(source.lines)))}",
            )

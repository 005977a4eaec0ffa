"""Tell in which way two archives of one name differ: which members, which sections of a program, which bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO

from patchkit.packaging.contents import Member, members

_SHOWN = 16  # bytes


def differences(name: str, before: bytes, after: bytes) -> list[str]:
    """List how the file ``name`` has changed from ``before`` to ``after``, a line each; empty where it has not.

    Raises ArtifactError where one of them is an archive that can't be read.
    """
    if before == after:
        return []
    if not name.endswith((".tar.gz", ".zip")):
        return [_first_bytes(name, before, after)]
    old, new = members(name, before), members(name, after)
    lines = [*_members(old, new)]
    return lines or [f"{name}: the members are the same, the compressed streams differ: another zlib packed it"]


def _members(old: Mapping[str, Member], new: Mapping[str, Member]) -> Iterator[str]:
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before is None or after is None:
            yield f"{path}: only in {'the artifact' if after is None else 'what was built again'}"
            continue
        if before.mode != after.mode:
            yield f"{path}: mode {before.mode:o} became {after.mode:o}"
        if before.time != after.time:
            yield f"{path}: time stamp {before.time} became {after.time}"
        if before.data != after.data:
            yield from _contents(path, before.data, after.data)


def _contents(path: str, before: bytes, after: bytes) -> Iterator[str]:
    sections = _sections(before), _sections(after)
    if not all(sections):
        yield _first_bytes(path, before, after)
        return
    is_different = False
    for name in sorted(sections[0].keys() | sections[1].keys()):
        old, new = sections[0].get(name), sections[1].get(name)
        if old is None or new is None:
            is_different = True
            yield f"{path}: section {name} is only in {'the artifact' if new is None else 'what was built again'}"
        elif old != new:
            is_different = True
            yield _first_bytes(f"{path}: section {name}", old, new)
    if not is_different:
        yield _first_bytes(f"{path}: outside of its sections", before, after)


def _sections(data: bytes) -> dict[str, bytes]:
    """Return the sections of an ELF file by name; none for any other file."""
    if not data.startswith(b"\x7fELF"):
        return {}
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        return {section.name: section.data() for section in ELFFile(BytesIO(data)).iter_sections() if section.name}
    except ELFError:
        return {}


def _first_bytes(what: str, before: bytes, after: bytes) -> str:
    pairs = zip(before, after, strict=False)
    at = next((index for index, (old, new) in enumerate(pairs) if old != new), min(len(before), len(after)))
    sizes = "" if len(before) == len(after) else f", {len(before)} bytes became {len(after)}"
    old, new = before[at : at + _SHOWN].hex(" ") or "the end", after[at : at + _SHOWN].hex(" ") or "the end"
    return f"{what}: from byte {at} on, {old} became {new}{sizes}"

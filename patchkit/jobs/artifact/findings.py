"""What ``patchkit artifact check`` finds: which file is vouched for by what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from patchkit.printable import first_lines
from patchkit.storage import sha256_of

_LONGEST_NAME = 255  # bytes
State = Literal["good", "bad", "not checked", "nothing vouches"]


@dataclass(frozen=True)
class ArtifactCheck:
    """One file, or part of one, and what vouches for it."""

    what: str
    by: str
    """What vouches for it, or should."""
    state: State
    detail: str = ""
    signature: bool = False
    """Whether it is about a signature, and not about what the files say of each other."""


def with_state(
    findings: Sequence[ArtifactCheck], state: State, *, signature: bool | None = None
) -> list[ArtifactCheck]:
    """Return those of ``findings`` that have ``state``; ``signature`` as their own, where it is not None."""
    return [finding for finding in findings if finding.state == state and signature in (None, finding.signature)]


def lines(findings: Sequence[ArtifactCheck]) -> str:
    """Write ``findings`` as lines of an error."""
    return first_lines([f"{finding.what}: {finding.detail or finding.state} ({finding.by})" for finding in findings])


def hashed(folder: Path, name: str, expected: str, by: str) -> ArtifactCheck:
    """Compare the file ``name`` in ``folder``; a name that leads elsewhere is not looked at."""
    path = folder / name
    if "/" in name or name in ("", ".", ".."):
        return ArtifactCheck(name, by, "bad", "the name leads out of the folder")
    if len(name.encode("utf-8", "surrogatepass")) > _LONGEST_NAME:
        return ArtifactCheck(name, by, "bad", "no file has so long a name")
    if not path.is_file():
        return ArtifactCheck(name, by, "bad", "the file is not there")
    status = path.stat()
    actual = _digest(path, status.st_size, status.st_mtime_ns)
    if actual != expected:
        return ArtifactCheck(name, by, "bad", f"its sha256 is {actual}, and should be {expected}")
    return ArtifactCheck(name, by, "good", f"sha256 {expected}")


@cache
def _digest(path: Path, size: int, changed: int) -> str:
    """Hash ``path`` once, however many documents name it; ``size`` and ``changed`` are those of today's file."""
    del size, changed
    return sha256_of(path)

"""What ``patchkit artifact check`` finds: which file is vouched for by what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["good", "bad", "not checked", "nothing vouches"]


@dataclass(frozen=True)
class Finding:
    """One file, or part of one, and what vouches for it."""

    what: str
    by: str
    """What vouches for it, or should."""
    state: State
    detail: str = ""
    signature: bool = False
    """Whether it is about a signature, and not about what the files say of each other."""


def of(findings: Sequence[Finding], state: State, *, signature: bool | None = None) -> list[Finding]:
    """Return those of ``findings`` that have ``state``; ``signature`` as their own, where it is not None."""
    return [finding for finding in findings if finding.state == state and signature in (None, finding.signature)]


def lines(findings: Sequence[Finding]) -> str:
    """Write ``findings`` as lines of an error."""
    return "\n".join(f"{finding.what}: {finding.detail or finding.state} ({finding.by})" for finding in findings)

"""Failures that are known by what the tools say, with what helps: ``docker/known-failures.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from patchkit import resources


@dataclass(frozen=True)
class KnownFailure:
    """One kind of failure."""

    says: re.Pattern[str]
    means: str
    helps: str


@cache
def known_failures() -> tuple[KnownFailure, ...]:
    """All of them, in the table's order."""
    table = tomllib.loads((resources.folder("docker") / "known-failures.toml").read_text("utf-8"))
    return tuple(KnownFailure(re.compile(one["says"]), one["means"], one["helps"]) for one in table["failure"])


def recognised(output: Sequence[str]) -> KnownFailure | None:
    """The first kind that a failed command's output shows; a compiler's warnings alone do not count."""
    errors = [line for line in output if not re.search(r"\bwarning:", line)]
    return next((one for one in known_failures() if any(map(one.says.search, errors))), None)

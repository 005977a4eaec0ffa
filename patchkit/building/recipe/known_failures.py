"""Recognise failures by what the tools print, and name what helps: ``docker/known-failures.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from patchkit import resources


@dataclass(frozen=True)
class KnownFailure:
    """One kind of failure: the pattern of its output, what it means and what helps."""

    says: re.Pattern[str]
    means: str
    helps: str


@cache
def known_failures() -> tuple[KnownFailure, ...]:
    """Return all known failures, in the table's order."""
    table = tomllib.loads((resources.folder("docker") / "known-failures.toml").read_text("utf-8"))
    return tuple(KnownFailure(re.compile(row["says"]), row["means"], row["helps"]) for row in table["failure"])


def recognised(output: Sequence[str]) -> KnownFailure | None:
    """Return the first known failure that ``output``, a failed command's lines, shows; warnings do not count."""
    errors = [line for line in output if not re.search(r"\bwarning:", line)]
    return next((failure for failure in known_failures() if any(map(failure.says.search, errors))), None)

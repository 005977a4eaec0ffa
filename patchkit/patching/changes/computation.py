"""Key a computation by what it depends on, so that its result is kept: most releases share their files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from patchkit.patching.csource.file import CSource

Result = TypeVar("Result")


@dataclass(frozen=True)
class Computation(Generic[Result]):
    """A computation for ``functools.lru_cache``: equal to another one of the very same owner, source and text."""

    owner: object
    source: CSource
    text: str | bytes
    run: Callable[[], Result]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Computation)
            and self.owner is other.owner
            and self.source is other.source
            and self.text == other.text
        )

    def __hash__(self) -> int:
        return hash((id(self.owner), id(self.source), self.text))

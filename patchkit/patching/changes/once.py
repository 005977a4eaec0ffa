"""What is found out once for the same few things: a file's change is that of every release with the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from patchkit.patching.csource.file import CSource
from patchkit.patching.edits import Edit

Found = TypeVar("Found")


@dataclass(frozen=True)
class Once(Generic[Found]):
    """What depends on few things, and is found out once for them: a file's change is that of every release with it.

    Equal are the very same objects, and the same texts.
    """

    who: object
    source: CSource
    text: str | bytes
    run: Callable[[], Found]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Once)
            and self.who is other.who
            and self.source is other.source
            and self.text == other.text
        )

    def __hash__(self) -> int:
        return hash((id(self.who), id(self.source), self.text))


@lru_cache(maxsize=256)
def found_once(asked: Once[tuple[Edit, ...] | None]) -> tuple[Edit, ...] | None:
    """Return what ``asked`` runs for, which it runs the first time only; an error is not kept."""
    return asked.run()

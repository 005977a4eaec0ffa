"""A part of a list of work, known from the list alone: so that several machines do a part each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated

from pydantic import Field

from patchkit.errors import BadUsageError
from patchkit.json_schema import Part
from patchkit.printable import listed

_MOST = 999_999
_FORM = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})")


class Shard(Part):
    """Some parts of work that was cut into ``of`` parts."""

    of: int = Field(ge=1, le=_MOST, description="how many parts there are")
    parts: list[Annotated[int, Field(ge=1, le=_MOST)]] = Field(description="which of them these are, from 1")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Parse ``K/N``, the K-th of N parts. Raises BadUsageError for anything else."""
        match = _FORM.fullmatch(text)
        if match is None or int(match[1]) > int(match[2]):
            raise BadUsageError(f"{text!r} is not a part", why="--shard K/N is the K-th of N parts: 3/8")
        return cls(of=int(match[2]), parts=[int(match[1])])

    def holds(self, index: int) -> bool:
        """Return whether the ``index``-th piece of work, from 0, is in these parts."""
        return self.chosen()(index)

    def chosen(self) -> Callable[[int], bool]:
        """Return :meth:`holds` as a function that is quick for many pieces and many parts."""
        parts = frozenset(self.parts)
        return lambda index: index % self.of + 1 in parts

    def __str__(self) -> str:
        """Write it as a sentence has it: part 3 of 8."""
        return f"part{'s' if len(self.parts) > 1 else ''} {listed(self.parts)} of {self.of}"


def missing(parts: Iterable[int], of: int) -> list[int]:
    """List the parts, of ``of``, that are not among ``parts``."""
    return sorted(set(range(1, of + 1)) - set(parts))

"""Parts of work, known from the list alone."""

from __future__ import annotations

import pytest

from patchkit.errors import BadUsageError
from patchkit.shard import Shard, missing


@pytest.mark.parametrize("of", [1, 2, 7])
def test_every_piece_is_in_one_part(of: int) -> None:
    shards = [Shard.parse(f"{part}/{of}") for part in range(1, of + 1)]
    assert all(sum(shard.holds(index) for shard in shards) == 1 for index in range(50))
    assert missing([part for shard in shards[1:] for part in shard.parts], of) == [1]


@pytest.mark.parametrize("text", ["", "0/3", "4/3", "1", "1/0", "a/b", "1/2/3", "-1/3", " 1/3", "٣/٤", "1/1000000"])
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(BadUsageError, match="is not a part"):
        Shard.parse(text)


def test_how_it_is_written() -> None:
    assert str(Shard(of=8, parts=[3])) == "part 3 of 8"
    assert str(Shard(of=8, parts=[1, 3])) == "parts 1, 3 of 8"


@pytest.mark.parametrize("of", [0, 10**6, 10**18])
def test_a_number_of_parts_that_nobody_has(of: int) -> None:
    """A file may state any; the parts that are missing are listed from it."""
    with pytest.raises(ValueError, match="Input should be"):
        Shard(of=of, parts=[1])

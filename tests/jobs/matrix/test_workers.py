"""How the matrix is cut into batches: all of it, neighbours together, and few batches, whose files are read once."""

from __future__ import annotations

import pytest

from patchkit.jobs.matrix.workers import Key, _batches


@pytest.mark.parametrize("processes", [1, 2, 8])
@pytest.mark.parametrize("number", [0, 1, 5, 40, 340])
def test_batches_are_all_keys_in_their_order(number: int, processes: int) -> None:
    keys: list[Key] = [("retransmit", ((f"{at}.c", "0" * 40),), None) for at in range(number)]
    batches = list(_batches(keys, processes))
    assert [key for batch in batches for key in batch] == keys
    assert len(batches) <= 6 * processes
    assert [len(batch) for batch in batches] == sorted((len(batch) for batch in batches), reverse=True)
    if number >= 40:
        assert len(batches) > processes  # so that the processes end together

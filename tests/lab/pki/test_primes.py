"""Primes that follow from a label."""

from __future__ import annotations

import hashlib

import pytest

from patchkit.lab.pki.primes import drawn, may_be_prime, prime


def by_division(number: int) -> bool:
    return all(number % factor for factor in range(2, int(number**0.5) + 1))


def test_numbers_are_drawn_from_shake() -> None:
    """The one thing that everything else follows from."""
    assert drawn("label", 64) == int.from_bytes(hashlib.shake_256(b"patchkit lab key: label").digest(8), "big")


def test_two_bases_tell_all_odd_numbers_below_60_000() -> None:
    """Below 1,373,653 the bases 2 and 3 never err (Pomerance, Selfridge and Wagstaff, 1980)."""
    for number in range(5, 60_000, 2):
        if may_be_prime(number, 2) and may_be_prime(number, 3):
            assert by_division(number), number
        elif number < 20_000:
            assert not by_division(number), number


@pytest.mark.parametrize(("pseudoprime", "base"), [(2047, 2), (121, 3), (781, 5), (25, 7)])
def test_what_one_base_lets_pass_another_one_catches(pseudoprime: int, base: int) -> None:
    assert may_be_prime(pseudoprime, base)
    assert not all(may_be_prime(pseudoprime, other) for other in (2, 3, 5, 7))


def test_a_base_that_says_nothing_is_a_yes() -> None:
    assert all(may_be_prime(15, base) for base in (0, 1, 14, 15, 16))


def test_a_prime_has_its_bits_and_suits_the_exponent() -> None:
    found = {prime(f"label {number}", 64, 3) for number in range(8)}
    assert len(found) == 8
    for one in found:
        assert one >> 62 == 3
        assert one % 3 == 2
        assert all(may_be_prime(one, base) for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37))  # no doubt at 64
    assert found == {prime(f"label {number}", 64, 3) for number in range(8)}


def test_a_place_where_there_is_none_is_left_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """2**64 - 59 is the largest prime of 64 bits."""
    places = {"label place 0": 2**64 - 57, "label place 1": 2**64 - 1, "label place 2": 2**64 - 1000}
    monkeypatch.setattr("patchkit.lab.pki.primes.drawn", lambda label, bits: places.get(label) or drawn(label, bits))
    assert 2**64 - 1000 < prime("label", 64, 3) < 2**64 - 58

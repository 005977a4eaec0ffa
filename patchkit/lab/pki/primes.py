"""Numbers and primes that follow from a label: the same on any machine, any day. Whoever reads this can derive them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from itertools import compress, count

_SEED = "patchkit lab key"
_SIEVED = 1 << 18  # what is left has no factor below: for 1024 bits some 30 candidates a prime are tried, not 350
_ROUNDS = 8  # of Miller-Rabin, besides the one for base 2; OpenSSL tests each prime once more when it gets the key


def drawn(label: str, bits: int) -> int:
    """A number below 2**bits, ``bits`` being a multiple of 8: SHAKE-256 over the label."""
    return int.from_bytes(hashlib.shake_256(f"{_SEED}: {label}".encode()).digest(bits // 8))


def prime(label: str, bits: int, exponent: int) -> int:
    """A prime p of that many bits, the two highest set, for RSA: ``exponent``, itself a prime, does not divide p - 1.

    The first one from a drawn place on. Any two of them have a product of twice as many bits. ``bits`` is a multiple
    of 8, 32 or more: all primes of that size are above the sieve's.
    """
    for candidate in _candidates(label, bits):
        # The base 2 first, which is quicker than others, and which nearly no composite survives.
        if (
            candidate % exponent != 1
            and may_be_prime(candidate, 2)
            and all(may_be_prime(candidate, drawn(f"{label} base {n}", bits)) for n in range(_ROUNDS))
        ):
            return candidate
    raise AssertionError("there is no end of candidates")


def _candidates(label: str, bits: int) -> Iterator[int]:
    """Odd numbers without small factors, in order, from the first drawn place and then from others."""
    for attempt in count():
        start = drawn(f"{label} place {attempt}", bits) | 3 << bits - 2 | 1
        width = min(8 * bits, (2**bits - start + 1) // 2)  # odd numbers: some 20 primes, none above 2**bits
        sieve = bytearray(b"\1") * width
        for small in _small_primes():
            # The first i where small divides start + 2 * i; half of small + 1 is the inverse of 2.
            first = -start * (small + 1 >> 1) % small
            sieve[first::small] = bytes(len(range(first, width, small)))
        yield from compress(range(start, start + 2 * width, 2), sieve)


@cache
def _small_primes() -> list[int]:
    """The odd primes below _SIEVED, by Eratosthenes."""
    sieve = bytearray(b"\1") * _SIEVED
    for number in range(3, int(_SIEVED**0.5) + 1, 2):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, _SIEVED, number)))
    return list(compress(range(3, _SIEVED, 2), sieve[3::2]))


def may_be_prime(number: int, base: int) -> bool:
    """One round of Miller-Rabin, for an odd number above 3; a base that says nothing counts as a yes."""
    base %= number
    if base in (0, 1, number - 1):
        return True
    twos = (number - 1 & 1 - number).bit_length() - 1
    power = pow(base, number - 1 >> twos, number)
    if power in (1, number - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False

"""The group for Diffie-Hellman."""

from __future__ import annotations

import base64

from patchkit.pki.dh import DH_GROUP


def pi(bits: int) -> int:
    """The integer part of 2**bits times pi, by Machin's formula."""
    spare = 64

    def arctan_of_inverse(x: int) -> int:
        power = total = (1 << bits + spare) // x
        for n in range(3, bits + spare, 2):
            power //= -x * x
            total += power // n
        return total

    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239)) >> spare


def test_it_is_the_one_that_rfc_3526_prints() -> None:
    first, *body, last = DH_GROUP.decode().splitlines()
    assert (first, last) == ("-----BEGIN DH PARAMETERS-----", "-----END DH PARAMETERS-----")
    der = base64.b64decode("".join(body), validate=True).hex().upper()
    # Section 3, the first line and the last; before it DER's own bytes, behind it the generator.
    assert der.startswith("308201080282010100FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD1")
    assert der.endswith("15728E5A8AACAA68FFFFFFFFFFFFFFFF020102")


def test_its_prime_follows_from_the_rfcs_formula() -> None:
    der = base64.b64decode(b"".join(DH_GROUP.splitlines()[1:-1]))
    prime = 2**2048 - 2**1984 - 1 + 2**64 * (pi(1918) + 124476)
    assert der == bytes.fromhex("3082010802820101") + prime.to_bytes(257) + bytes.fromhex("020102")

"""A group for Diffie-Hellman: the 2048-bit one of RFC 3526, in PEM. Servers up to 2.3 want one."""

from __future__ import annotations

import base64
from functools import cache


@cache
def dh_parameters() -> bytes:
    """PKCS #3 DHParameter in PEM: cryptography is about to drop what writes it, and old servers want it still."""
    integers = b"".join(_der(0x02, number.to_bytes(number.bit_length() // 8 + 1)) for number in (_group_14(), 2))
    body = base64.encodebytes(_der(0x30, integers)).replace(b"\n", b"")
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return b"\n".join([b"-----BEGIN DH PARAMETERS-----", *lines, b"-----END DH PARAMETERS-----", b""])


def _der(tag: int, content: bytes) -> bytes:
    """One value in DER, of at most 65535 bytes."""
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2)
    return bytes([tag]) + length + content


def _group_14() -> int:
    """The 2048-bit prime of RFC 3526, section 3, by the formula that is given there; its generator is 2."""
    return int(2**2048 - 2**1984 - 1 + 2**64 * (_pi(1918) + 124476))


def _pi(bits: int) -> int:
    """The integer part of 2**bits times pi, by Machin's formula."""
    spare = 64

    def arctan_of_inverse(x: int) -> int:
        power = total = (1 << bits + spare) // x
        for n in range(3, bits + spare, 2):
            power //= -x * x
            total += power // n
        return total

    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239)) >> spare

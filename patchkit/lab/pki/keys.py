"""Test keys that follow from a label. They are NOT SECRET: anyone who has patchkit can derive them."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from patchkit.lab.pki.primes import drawn, prime
from patchkit.lab.pki.profile import Kind

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_RSA_BITS: dict[Kind, int] = {"rsa2048": 2048, "rsa4096": 4096}
_EXPONENT = 65537
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # FIPS 186-4, D.1.2.3


def private_key(kind: Kind, label: str) -> PrivateKey:
    """The key of that label. RSA 2048 takes some 0.3 s to find, RSA 4096 some 3 s."""
    if kind == "ec":
        # 64 bits more than needed: then the remainder favours no key.
        return ec.derive_private_key(1 + drawn(f"{label} P-256", 320) % (_P256_ORDER - 1), ec.SECP256R1())
    bits = _RSA_BITS[kind] // 2
    q, p = sorted(prime(f"{label} {kind} {which}", bits, _EXPONENT) for which in ("p", "q"))
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(_EXPONENT, p * q),
    )  # fmt: skip
    return numbers.private_key()  # OpenSSL checks them, primes included


def pem(key: PrivateKey) -> bytes:
    """As old releases read it: PKCS #1, or SEC 1."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def static_key(label: str) -> bytes:
    """A key for --tls-auth and --tls-crypt alike: 2048 bits, as ``openvpn --genkey`` writes them."""
    digits = format(drawn(f"{label} static key", 2048), "0512x")
    lines = [digits[start : start + 32] for start in range(0, len(digits), 32)]
    text = ["# 2048 bit OpenVPN static key of patchkit's lab, NOT SECRET", "-----BEGIN OpenVPN Static key V1-----",
            *lines, "-----END OpenVPN Static key V1-----", ""]  # fmt: skip
    return "\n".join(text).encode()

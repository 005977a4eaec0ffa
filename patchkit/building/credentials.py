"""What handshakes need: an own CA, one leaf for each side, and a group for Diffie-Hellman.

RSA 2048 with SHA-256, which every series can read.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Mapping
from functools import cache


@cache
def credentials(intermediates: int = 0) -> Mapping[str, bytes]:
    """PEM files by name: ca.crt, dh.pem, server.crt, server.key, client.crt, client.key. Made once a process.

    ``intermediates`` certificates stand between the CA and the leaves, and go along with the leaf in its file:
    from 2.3.9 on, only a long chain makes a handshake large enough to fill the send window.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.UTC)

    def key() -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def builder(subject: str, public: rsa.RSAPublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
        )

    ca_key = key()
    authority = x509.BasicConstraints(ca=True, path_length=None)
    ca = (
        builder("patchkit smoke test CA", ca_key.public_key())
        .issuer_name(name("patchkit smoke test CA"))
        .add_extension(authority, critical=True)
    )
    issuer, issuer_key, chain = "patchkit smoke test CA", ca_key, b""
    for number in range(1, intermediates + 1):
        subject, subject_key = f"patchkit smoke test intermediate {number}", key()
        made = (
            builder(subject, subject_key.public_key())
            .issuer_name(name(issuer))
            .add_extension(authority, critical=True)
            .sign(issuer_key, hashes.SHA256())
        )
        chain = made.public_bytes(serialization.Encoding.PEM) + chain
        issuer, issuer_key = subject, subject_key
    # --remote-cert-tls asks for both kinds of usage.
    leaf_usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=True, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    files = {
        "ca.crt": ca.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        # Servers up to 2.3 want a group; later ones take it too, or an elliptic curve instead.
        "dh.pem": _dh_parameters(_group_14(), 2),
    }
    usages = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
    for side, usage in usages.items():
        side_key = key()
        leaf = (
            builder(side, side_key.public_key())
            .issuer_name(name(issuer))
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(leaf_usage, critical=True)
        )
        files[f"{side}.crt"] = leaf.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + chain
        files[f"{side}.key"] = side_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    return files


def _dh_parameters(prime: int, generator: int) -> bytes:
    """PKCS #3 DHParameter in PEM: cryptography is about to drop what writes it, and old servers want it still."""
    integers = b"".join(_der(0x02, number.to_bytes(number.bit_length() // 8 + 1)) for number in (prime, generator))
    body = base64.encodebytes(_der(0x30, integers)).replace(b"\n", b"")
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return b"\n".join([b"-----BEGIN DH PARAMETERS-----", *lines, b"-----END DH PARAMETERS-----", b""])


def _der(tag: int, content: bytes) -> bytes:
    """One value in DER, of at most 65535 bytes."""
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2)
    return bytes([tag]) + length + content


def _group_14() -> int:
    """The 2048-bit prime of RFC 3526, section 3, by the formula that is given there."""
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

"""What handshakes need: an own CA, one leaf for each side, and a group for Diffie-Hellman.

RSA 2048 with SHA-256, which every series can read.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import cache

from patchkit.building.check.dh import dh_parameters


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
        "dh.pem": dh_parameters(),
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

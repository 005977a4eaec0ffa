"""Certificates that follow from a profile and a validity, byte by byte: keys are constants, serial numbers derived.

They are NOT SECRET, and their subjects say so: everyone who has patchkit has their keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from patchkit.errors import GuestError
from patchkit.pki.dh import DH_GROUP
from patchkit.pki.keys import STATIC_KEY, PrivateKey, keys, private_key
from patchkit.pki.profile import Profile

_ORGANISATION = "patchkit lab, NOT SECRET"
_AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)


@dataclass(frozen=True)
class Validity:
    """The time in which certificates are valid."""

    not_before: datetime
    not_after: datetime


LAB_VALIDITY = Validity(datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC))
"""A constant, so that the lab's certificates are the same bytes on every day."""


def issued(profile: Profile, validity: Validity) -> dict[str, bytes]:
    """Issue the certificates of ``profile`` for ``validity``, and return PEM files by name: see pki/credentials.py.

    Raises GuestError when OpenSSL is too old for signatures that are the same each time.
    """
    pems = keys(profile.name)
    root = issuer = _Authority(profile, "CA", None, pems, validity)
    sent: list[x509.Certificate] = []  # along with the leaf, which comes first; the root is at the peer already
    for number in range(1, profile.intermediates + 1):
        issuer = _Authority(profile, f"intermediate {number}", issuer, pems, validity)
        sent.insert(0, issuer.certificate)
    files = {
        "ca.crt": root.certificate.public_bytes(Encoding.PEM),
        "dh.pem": DH_GROUP,
        "ta.key": pems[STATIC_KEY],
    }
    usages = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
    for side, usage in usages.items():
        extensions = [x509.ExtendedKeyUsage([usage]), _leaf_usage(profile, side)]
        leaf = issuer.signed(side, private_key(pems[side]), extensions)
        files[f"{side}.crt"] = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in [leaf, *sent])
        files[f"{side}.key"] = pems[side]
    return files


class _Authority:
    """A key that signs, and its certificate: signed by itself, or by ``issuer``."""

    def __init__(
        self, profile: Profile, role: str, issuer: _Authority | None, pems: Mapping[str, bytes], validity: Validity
    ) -> None:
        self._profile = profile
        self._validity = validity
        self._name = f"{profile.name} {role}"
        self._key = private_key(pems[role])
        self.certificate = (issuer or self).signed(self._name, self._key, [_AUTHORITY])

    def signed(self, subject: str, key: PrivateKey, extensions: Sequence[x509.ExtensionType]) -> x509.Certificate:
        """Sign a certificate that gives ``key`` to ``subject``. Raises GuestError as ``issued`` does."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(self._name))
            .public_key(key.public_key())
            .serial_number(_serial(f"{self._profile.name} {subject}"))
            .not_valid_before(self._validity.not_before)
            .not_valid_after(self._validity.not_after)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=not isinstance(extension, x509.ExtendedKeyUsage))
        # RFC 6979; RSA's PKCS #1 v1.5 uses nothing random anyway.
        predictable = True if isinstance(self._key, ec.EllipticCurvePrivateKey) else None
        try:
            return builder.sign(self._key, hashes.SHA256(), ecdsa_deterministic=predictable)
        except UnsupportedAlgorithm as error:
            raise GuestError(
                "this OpenSSL cannot make ECDSA signatures that are the same each time",
                why=str(error),
                advice="it needs OpenSSL 3.2, which cryptography's own wheels contain; or use RSA credentials",
            ) from error


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _serial(label: str) -> int:
    """Derive 127 bits from ``label``, the highest one set: all serial numbers have the same size."""
    drawn = hashlib.shake_256(f"patchkit lab key: {label} serial number".encode()).digest(16)
    return 1 << 126 | int.from_bytes(drawn) >> 2


def _leaf_usage(profile: Profile, side: str) -> x509.KeyUsage:
    """What --remote-cert-tls checks, up to 2.3 for equality: a server's is a0 or 88, a client's 80, 08 or 88."""
    server, rsa = side == "server", profile.kind != "ec"
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=server and rsa, data_encipherment=False,
        key_agreement=server and not rsa, key_cert_sign=False, crl_sign=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip

"""Certificates that follow from a profile, byte by byte: keys, names, dates and serial numbers are all derived.

They are NOT SECRET, and their subjects say so: anyone who has patchkit can make them, with their keys.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from patchkit.building.check.dh import dh_parameters
from patchkit.errors import GuestError
from patchkit.lab.pki.keys import PrivateKey, pem, private_key, static_key
from patchkit.lab.pki.primes import drawn
from patchkit.lab.pki.profile import Profile

NOT_BEFORE = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NOT_AFTER = datetime.datetime(2036, 1, 1, tzinfo=datetime.UTC)
_ORGANISATION = "patchkit lab, NOT SECRET"
_AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)


def made(profile: Profile) -> dict[str, bytes]:
    """PEM files by name, see patchkit.lab.pki.credentials. Raises GuestError where OpenSSL can't sign predictably."""
    root = issuer = _Authority(profile, "CA", None)
    sent: list[x509.Certificate] = []  # along with the leaf, which comes first; the root is at the peer already
    for number in range(1, profile.intermediates + 1):
        issuer = _Authority(profile, f"intermediate {number}", issuer)
        sent.insert(0, issuer.certificate)
    files = {
        "ca.crt": root.certificate.public_bytes(Encoding.PEM),
        "dh.pem": dh_parameters(),
        "ta.key": static_key(profile.name),
    }
    usages = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
    for side, usage in usages.items():
        key = private_key(profile.kind, f"{profile.name} {side}")
        leaf = issuer.signed(side, key, [x509.ExtendedKeyUsage([usage]), _leaf_usage(profile, side)])
        files[f"{side}.crt"] = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in [leaf, *sent])
        files[f"{side}.key"] = pem(key)
    return files


class _Authority:
    """A key that signs, and its certificate: by itself, or by another one."""

    def __init__(self, profile: Profile, role: str, issuer: _Authority | None) -> None:
        self._profile = profile
        self._name = f"{profile.name} {role}"
        self._key = private_key(profile.kind, self._name)
        self.certificate = (issuer or self).signed(self._name, self._key, [_AUTHORITY])

    def signed(self, subject: str, key: PrivateKey, extensions: Sequence[x509.ExtensionType]) -> x509.Certificate:
        """A certificate for a key. Raises GuestError."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(self._name))
            .public_key(key.public_key())
            .serial_number(_serial(f"{self._profile.name} {subject}"))
            .not_valid_before(NOT_BEFORE)
            .not_valid_after(NOT_AFTER)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=not isinstance(extension, x509.ExtendedKeyUsage))
        # RFC 6979; RSA's PKCS #1 v1.5 takes nothing at random anyway.
        predictable = True if isinstance(self._key, ec.EllipticCurvePrivateKey) else None
        try:
            return builder.sign(self._key, hashes.SHA256(), ecdsa_deterministic=predictable)
        except UnsupportedAlgorithm as error:
            raise GuestError(
                "this OpenSSL can't make ECDSA signatures that are the same each time",
                why=str(error),
                advice="it takes OpenSSL 3.2, which cryptography's own wheels bring along; or use RSA credentials",
            ) from error


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _serial(label: str) -> int:
    """127 bits, the highest set: all take up the same room."""
    return 1 << 126 | drawn(f"{label} serial number", 128) >> 2


def _leaf_usage(profile: Profile, side: str) -> x509.KeyUsage:
    """What --remote-cert-tls asks for, up to 2.3 to the letter: a server's is a0 or 88, a client's 80, 08 or 88."""
    server, rsa = side == "server", profile.kind != "ec"
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=server and rsa, data_encipherment=False,
        key_agreement=server and not rsa, key_cert_sign=False, crl_sign=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip

"""Sigstore bundles with a key of the user's own: written and read here, offline, as ``cosign --key`` has them.

Such a bundle holds the signature, the digest of what was signed and a hint at the key, and no certificate and no entry
of a log: it takes no service. Bundles of keyless signatures are recognised, and left to sigstore's own programs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from patchkit.json_schema import document as parsed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_BUNDLES = "application/vnd.dev.sigstore.bundle"
_CURVE = "secp256r1"


class KeyFileError(ValueError):
    """What is in a file is not a key that sigstore's bundles can be made or checked with."""


@dataclass(frozen=True)
class SigstoreBundle:
    """What a bundle with a key states."""

    hint: str
    """Of the key: the sha256 of its public part, in base64; empty for a keyless signature."""
    digest: bytes
    """The sha256 of what was signed."""
    signature: bytes


def private_key(data: bytes) -> EllipticCurvePrivateKey:
    """Read the private key in ``data``, a PEM file without a passphrase. Raises KeyFileError."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:  # TypeError: it has a passphrase
        raise KeyFileError(str(error)) from error
    if not isinstance(key, EllipticCurvePrivateKey) or key.curve.name != _CURVE:
        raise KeyFileError("it is not a key on the curve P-256")
    return key


def public_key(data: bytes) -> EllipticCurvePublicKey:
    """Read the public key in ``data``, a PEM file. Raises KeyFileError."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(data)
    except ValueError as error:
        raise KeyFileError(str(error)) from error
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != _CURVE:
        raise KeyFileError("it is not a key on the curve P-256")
    return key


def hint_of(key: EllipticCurvePublicKey) -> str:
    """Return by what a bundle names ``key``."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def write(key: EllipticCurvePrivateKey, data: bytes) -> bytes:
    """Return the bundle of a signature of ``data`` by ``key``."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    signature = key.sign(data, ECDSA(SHA256()))
    bundle = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint_of(key.public_key())}, "tlogEntries": []},
        "messageSignature": {
            "messageDigest": {
                "algorithm": "SHA2_256", "digest": base64.b64encode(hashlib.sha256(data).digest()).decode()
            },
            "signature": base64.b64encode(signature).decode(),
        },
    }  # fmt: skip
    return json.dumps(bundle, indent=2).encode() + b"\n"


def read(data: bytes) -> SigstoreBundle:
    """Read the bundle ``data``. Raises ValueError where it is none."""
    try:
        document: Any = parsed(data)
        if not str(document["mediaType"]).startswith(_BUNDLES):
            raise ValueError("its mediaType is not that of a bundle")
        material = document["verificationMaterial"]
        if "publicKey" not in material:
            return SigstoreBundle("", b"", b"")
        signed = document["messageSignature"]
        if signed["messageDigest"]["algorithm"] != "SHA2_256":
            raise ValueError("its digest is not SHA2_256")
        return SigstoreBundle(
            str(material["publicKey"]["hint"]),
            base64.b64decode(signed["messageDigest"]["digest"], validate=True),
            base64.b64decode(signed["signature"], validate=True),
        )
    except (KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise ValueError(f"it lacks what bundles have: {error!r}") from error


def holds(bundle: SigstoreBundle, key: EllipticCurvePublicKey, data: bytes) -> bool:
    """Return whether ``bundle`` is a signature of ``data`` by ``key``."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    if bundle.digest != hashlib.sha256(data).digest():
        return False
    try:
        key.verify(bundle.signature, data, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True

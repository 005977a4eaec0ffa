"""The test keys of a profile: constants in ``keys/PROFILE.pem``. They are NOT SECRET: everyone has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
FOLDER = Path(__file__).with_name("keys")
STATIC_KEY = "static key"
"""The name of the key for --tls-auth and --tls-crypt: 2048 bits, as ``openvpn --genkey`` writes them."""
_KEY = re.compile(r"^(\w[\w ]*)\n((?:# .*\n)?-----BEGIN [^-]+-----\n[^-]+-----END [^-]+-----\n)", re.MULTILINE)


def keys(profile_name: str) -> Mapping[str, bytes]:
    """Read the keys of the profile ``profile_name`` as PEM, by the name of their owner.

    Owners are ``CA``, ``intermediate 1`` and so on, ``server`` and ``client``; STATIC_KEY is in it, too. RSA keys are
    PKCS #1 and EC keys are SEC 1, which old releases read.
    """
    text = (FOLDER / f"{profile_name}.pem").read_text(encoding="ascii")
    return {owner: pem.encode() for owner, pem in _KEY.findall(text)}


def private_key(pem: bytes) -> PrivateKey:
    """Load one of the keys from ``pem``, without the checks that take OpenSSL a second for RSA 4096."""
    return cast("PrivateKey", load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True))

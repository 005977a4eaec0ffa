"""Kinds of keys and signatures, and which kind a file is."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from patchkit.errors import BadUsageError, SignatureFileError
from patchkit.packaging.signatures import sigstore_bundle
from patchkit.storage import reading

Scheme = Literal["openpgp", "ssh", "minisign", "sigstore"]
SUFFIXES: dict[Scheme, str] = {
    "openpgp": ".asc", "ssh": ".sig", "minisign": ".minisig", "sigstore": ".sigstore.json"
}  # fmt: skip
"""What is appended to a file's name for a signature of it."""
_LARGEST = 1 << 20  # bytes of a key
_ARMOUR = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_SSH_TYPES = (b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-")
# Of minisign's files, the second line in base64: "Ed" or "ED", the key's number, and the rest.
_MINISIGN_LENGTH = {"key": 42, "signature": 74}


@dataclass(frozen=True)
class SigningKey:
    """A private key to sign with, as ``--sign-with`` names it."""

    scheme: Scheme
    name: str
    """The fingerprint or name for gpg, or the path of a file."""

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """Read ``SCHEME:NAME``. Raises BadUsageError."""
        scheme, _, name = text.partition(":")
        for known in SUFFIXES:
            if scheme == known and name:
                return cls(known, name)
        raise BadUsageError(
            f"--sign-with {text} names no key",
            why="openpgp:FINGERPRINT, ssh:FILE, minisign:FILE and sigstore:FILE are understood",
            advice="--sign-with openpgp:FINGERPRINT",
        )


@dataclass(frozen=True)
class PublicKey:
    """A public key in a file."""

    path: Path
    scheme: Scheme
    data: bytes

    @classmethod
    def read(cls, path: Path) -> PublicKey:
        """Read the key in ``path``: of OpenPGP, SSH (also a list of allowed signers), minisign or sigstore.

        Raises StorageError where the file can't be read, SignatureFileError where it is not a public key.
        """
        with reading(path), path.open("rb") as file:
            data = file.read(_LARGEST)
        if b"PRIVATE KEY" in data or b"SECRET KEY" in data.upper().split(b"\n", 1)[0]:
            raise SignatureFileError(
                f"{path} is a private key", why="a signature is checked with the public one", advice="--key PUBLIC"
            )
        return cls(path, _scheme(path, data), data)

    @property
    def minisign_number(self) -> bytes:
        """The number of a key of minisign's, which its signatures name."""
        return minisign_number(self.data, "key")


def _scheme(path: Path, data: bytes) -> Scheme:
    if _ARMOUR in data or data[:1] in (b"\x98", b"\x99", b"\xc6"):  # RFC 9580, section 4.2: a public key's packet
        return "openpgp"
    if data.startswith(b"-----BEGIN PUBLIC KEY-----"):
        try:
            sigstore_bundle.public_key(data)
        except sigstore_bundle.KeyFileError as error:
            raise SignatureFileError(
                f"{path} is not a key that bundles of sigstore's are checked with", why=str(error), advice="cosign.pub"
            ) from error
        return "sigstore"
    if data.startswith(b"untrusted comment:") or minisign_number(data, "key"):
        return "minisign"
    lines = [line for line in data.splitlines() if line.strip() and not line.startswith(b"#")]
    if any(word.startswith(_SSH_TYPES) for line in lines for word in line.split()):
        return "ssh"
    raise SignatureFileError(
        f"{path} is not a known kind of public key",
        why="it is neither of OpenPGP nor of SSH nor of minisign nor of sigstore",
        advice="gpg --export --armor FINGERPRINT, FILE.pub of ssh-keygen, minisign.pub, cosign.pub",
    )


def minisign_number(data: bytes, kind: Literal["key", "signature"]) -> bytes:
    """Return the number of the key in minisign's file ``data``; empty where it is not such a file."""
    lines = [line for line in data.splitlines() if not line.startswith(b"untrusted comment:")]
    try:
        raw = base64.b64decode(lines[0], validate=True) if lines else b""
    except binascii.Error:
        return b""
    return raw[2:10] if len(raw) == _MINISIGN_LENGTH[kind] and raw[:2] in (b"Ed", b"ED") else b""


def is_allowed_signers(data: bytes) -> bool:
    """Return whether ``data`` is a list of allowed signers (ssh-keygen(1)), and not a public key alone."""
    lines = [line for line in data.splitlines() if line.strip() and not line.startswith(b"#")]
    return bool(lines) and not lines[0].startswith(_SSH_TYPES)

"""Bundles of sigstore's with a key of one's own: what they hold, and what is refused or left to sigstore's programs."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from patchkit.errors import SignatureFileError, SigningError
from patchkit.packaging.signatures.keys import PublicKey, SigningKey
from patchkit.packaging.signatures.sign import sign
from patchkit.packaging.signatures.verify import SignatureVerdict, verify
from tests.support.packaging.signing_keys import sigstore

DATA = b"what is signed\n"


@pytest.fixture
def signature(tmp_path: Path) -> tuple[bytes, PublicKey]:
    key = sigstore(tmp_path)
    made = sign(SigningKey.parse(key.private), {"file": DATA})
    return made["file.sigstore.json"], PublicKey.read(key.public)


def changed(bundle: bytes, *path: str, value: Any) -> bytes:
    """The bundle with another value at ``path``."""
    document = json.loads(bundle)
    place = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return json.dumps(document).encode()


def test_what_a_bundle_holds(signature: tuple[bytes, PublicKey]) -> None:
    document = json.loads(signature[0])
    assert document["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert document["verificationMaterial"].keys() == {"publicKey", "tlogEntries"}
    assert document["messageSignature"]["messageDigest"]["algorithm"] == "SHA2_256"
    assert verify("sigstore", signature[0], DATA, [signature[1]]).state == "good"


@pytest.mark.parametrize(
    ("path", "value", "state"),
    [
        (("messageSignature", "signature"), base64.b64encode(b"0" * 70).decode(), "bad"),
        (("messageSignature", "signature"), "no base64", "bad"),
        (("messageSignature", "messageDigest", "digest"), base64.b64encode(b"0" * 32).decode(), "bad"),
        (("messageSignature", "messageDigest", "algorithm"), "SHA2_512", "bad"),
        (("verificationMaterial", "publicKey", "hint"), "another", "unknown key"),
        (("verificationMaterial",), {"certificate": {"rawBytes": ""}, "tlogEntries": []}, "not checked"),
        (("mediaType",), "text/plain", "bad"),
        (("messageSignature",), None, "bad"),
    ],
)
def test_what_is_not_its_signature(
    path: tuple[str, ...], value: Any, state: str, signature: tuple[bytes, PublicKey]
) -> None:
    bundle, key = signature
    assert verify("sigstore", changed(bundle, *path, value=value), DATA, [key]).state == state


def test_other_data_and_no_bundle(signature: tuple[bytes, PublicKey]) -> None:
    bundle, key = signature
    assert verify("sigstore", bundle, DATA + b"x", [key]).state == "bad"
    for junk in (b"", b"{", b"[]", b"null"):
        verdict: SignatureVerdict = verify("sigstore", junk, DATA, [key])
        assert verdict.state == "bad", junk


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "curve P-256"),
        (["-algorithm", "ED25519"], "curve P-256"),
        (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes256", "-pass", "pass:x"], "[Pp]assword"),
    ],
)
def test_keys_that_bundles_are_not_signed_with(algorithm: list[str], message: str, tmp_path: Path) -> None:
    private, public = tmp_path / "key", tmp_path / "key.pub"
    subprocess.run(["openssl", "genpkey", *algorithm, "-out", private], check=True, capture_output=True)
    with pytest.raises(SigningError, match="is not a key that bundles") as refusal:
        sign(SigningKey.parse(f"sigstore:{private}"), {"file": DATA})
    assert any(word in refusal.value.why for word in (message, "Password", "password"))
    if "-pass" not in algorithm:
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
        with pytest.raises(SignatureFileError, match="is not a key that bundles"):
            PublicKey.read(public)

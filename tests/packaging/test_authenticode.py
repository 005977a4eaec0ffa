"""What is refused before anything is built that would be signed; tests/jobs/build/test_windows.py signs."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from patchkit.errors import SigningError, StorageError
from patchkit.packaging import authenticode
from patchkit.packaging.authenticode import Signer
from tests.conftest import Run

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(autouse=True)
def osslsigncode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is installed does not matter for what is refused."""
    monkeypatch.setattr(authenticode, "_PROGRAM", "true")


def identity(folder: Path, name: str, password: bytes | None = None) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(1)
        .not_valid_before(NOW).not_valid_after(NOW + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    hiding = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hiding
    files = folder / f"{name}.key", folder / f"{name}.crt"
    files[0].write_bytes(key.private_bytes(*form))
    files[1].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return files


def test_a_pair_that_belongs_together(tmp_path: Path) -> None:
    signer = Signer.ready(*identity(tmp_path, "me"))
    assert signer.subject == "CN=me"
    assert len(signer.fingerprint) == 64


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    key, _ = identity(tmp_path, "me")
    _, certificate = identity(tmp_path, "you")
    with pytest.raises(SigningError, match=r"me\.key is not the key of .*you\.crt"):
        Signer.ready(key, certificate)


def test_a_key_with_a_password(tmp_path: Path) -> None:
    with pytest.raises(SigningError, match="not a private key that can be used") as caught:
        Signer.ready(*identity(tmp_path, "me", b"secret"))
    assert caught.value.why == "the key is encrypted"


def test_files_that_are_no_key_and_no_certificate(tmp_path: Path) -> None:
    key, certificate = identity(tmp_path, "me")
    with pytest.raises(SigningError, match="is not a certificate in PEM form"):
        Signer.ready(key, key)
    with pytest.raises(SigningError, match="is not a private key"):
        Signer.ready(certificate, certificate)
    with pytest.raises(StorageError):
        Signer.ready(tmp_path / "none", certificate)


def test_without_osslsigncode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authenticode, "_PROGRAM", "no-such-program")
    with pytest.raises(SigningError, match="no-such-program is missing"):
        Signer.ready(*identity(tmp_path, "me"))


def test_half_a_pair_and_nothing_to_sign_are_refused_before_anything_is_fetched(patchkit: Run, tmp_path: Path) -> None:
    key, certificate = identity(tmp_path, "me")
    half = patchkit("build", "--version", "2.6.14", "--sign-key", str(key))
    assert (half.returncode, "--sign-key and --sign-cert go together" in half.stderr) == (2, True)
    pair = ("--sign-key", str(key), "--sign-cert", str(certificate))
    linux = patchkit("build", "--version", "2.6.14", *pair)
    assert (linux.returncode, "only programs for Windows are signed" in linux.stderr) == (2, True)

"""Authenticode: Windows programs signed with the user's own key, by osslsigncode."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from patchkit.errors import SigningError
from patchkit.storage import reading, writing

_PROGRAM = "osslsigncode"
_LIMIT = 120  # seconds for one program


@dataclass(frozen=True)
class Signer:
    """A key and the certificate that goes with it."""

    key: Path
    certificate: Path
    """Both in PEM form; the certificate's file may hold the chain that leads to it, the certificate itself first."""
    subject: str
    fingerprint: str
    """sha256 of the certificate, in hex."""

    @classmethod
    def ready(cls, key: Path, certificate: Path) -> Signer:
        """Read ``key`` and ``certificate``, and check that the two belong together.

        Raises SigningError when they do not, when one is not valid, or osslsigncode is missing; StorageError when a
        file can't be read.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        if shutil.which(_PROGRAM) is None:
            raise SigningError(
                f"{_PROGRAM} is missing", why="it signs the programs", advice=f"apt-get install {_PROGRAM}"
            )
        try:
            with reading(certificate):
                named = x509.load_pem_x509_certificate(certificate.read_bytes())
        except ValueError as error:
            raise SigningError(
                f"{certificate} is not a certificate in PEM form", why=str(error), advice="--sign-cert PEM"
            ) from error
        try:
            with reading(key):
                private = serialization.load_pem_private_key(key.read_bytes(), None)
        except (ValueError, TypeError) as error:
            why = "the key is encrypted" if isinstance(error, TypeError) else str(error)
            raise SigningError(
                f"{key} is not a private key that can be used", why=why, advice="--sign-key PEM"
            ) from error
        form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        if private.public_key().public_bytes(*form) != named.public_key().public_bytes(*form):
            raise SigningError(f"{key} is not the key of {certificate}", why="their public keys differ")
        der = named.public_bytes(serialization.Encoding.DER)
        return cls(key, certificate, named.subject.rfc4514_string(), hashlib.sha256(der).hexdigest())

    def signed(self, name: str, program: bytes, *, epoch: int, url: str) -> bytes:
        """Sign ``program``, whose file name is ``name``.

        ``epoch`` is the signature's time, in seconds since 1970; ``url`` is the address that the signature states. No
        time stamp authority is involved, so the same program and key give the same bytes. Raises SigningError when
        osslsigncode fails, and StorageError or DiskFullError when the folder for temporary files can't be written.
        """
        with writing(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory(prefix="patchkit-sign-") as folder:
            before, after = Path(folder, f"unsigned-{name}"), Path(folder, name)
            before.write_bytes(program)
            output = self._run(
                "sign", "-certs", str(self.certificate), "-key", str(self.key), "-h", "sha256", "-time", str(epoch),
                "-n", name, "-i", url, "-in", str(before), "-out", str(after),
            )  # fmt: skip
            if not after.is_file():
                raise SigningError(f"{name} could not be signed", why=output)
            data = after.read_bytes()
        if data == program:
            raise SigningError(f"{name} could not be signed", why=output)
        return data

    def _run(self, *words: str) -> str:
        try:
            done = subprocess.run(
                [_PROGRAM, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=_LIMIT, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise SigningError(f"{_PROGRAM} {words[0]} did not end within {_LIMIT} s", why="it was ended") from error
        output = (done.stdout + done.stderr).strip()
        if done.returncode != 0:
            raise SigningError(f"{_PROGRAM} {words[0]} failed", why=output)
        return output

"""Make detached signatures with the user's own keys, by gpg, ssh-keygen or minisign, and for sigstore here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from patchkit.errors import SigningError
from patchkit.packaging.signatures import sigstore_bundle
from patchkit.packaging.signatures.keys import SUFFIXES, Scheme, SigningKey
from patchkit.storage import reading, writing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_LIMIT = 300.0  # seconds: a person may have to type a passphrase, or to touch a token
_PROGRAMS: Mapping[Scheme, tuple[str, str]] = {
    "openpgp": ("gpg", "gpg"),
    "ssh": ("ssh-keygen", "openssh-client"),
    "minisign": ("minisign", "minisign"),
}
"""The program of each kind of key, and Debian's package of it; what is not named needs none."""
NAMESPACE = "file"
"""What an SSH signature is for, in ssh-keygen's terms: its own name for files."""


def sign(key: SigningKey, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return a detached signature of each of ``files`` by ``key``, by the name that its file gets.

    Raises SigningError where the program is missing or fails, StorageError or DiskFullError where the folder for
    temporary files can't be written.
    """
    check_ready(key)
    suffix = SUFFIXES[key.scheme]
    if key.scheme == "sigstore":
        own = _sigstore_key(key)
        return {f"{name}{suffix}": sigstore_bundle.write(own, data) for name, data in files.items()}
    program = _PROGRAMS[key.scheme][0]
    with writing(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory(prefix="patchkit-sign-") as folder:
        signatures = {}
        for name, data in files.items():
            file = Path(folder, name)
            file.write_bytes(data)
            signature = Path(folder, f"{name}{suffix}")
            _run(key, _command(key, program, file, signature), name)
            if not signature.is_file():
                raise SigningError(f"{name} could not be signed", why=f"{program} has written nothing")
            signatures[signature.name] = signature.read_bytes()
    return signatures


def check_ready(key: SigningKey) -> None:
    """Raise SigningError where the program or the file that ``key`` needs is missing, or is not such a key."""
    program, package = _PROGRAMS.get(key.scheme, ("", ""))
    if program and shutil.which(program) is None:
        raise SigningError(f"{program} is missing", why="it signs with this key", advice=f"apt-get install {package}")
    if key.scheme != "openpgp" and not Path(key.name).is_file():
        raise SigningError(f"there is no key {key.name}", why="no such file", advice=f"--sign-with {key.scheme}:FILE")


def _sigstore_key(key: SigningKey) -> EllipticCurvePrivateKey:
    """Read the private key that ``key`` names. Raises SigningError, StorageError."""
    path = Path(key.name)
    with reading(path):
        data = path.read_bytes()
    try:
        return sigstore_bundle.private_key(data)
    except sigstore_bundle.KeyFileError as error:
        raise SigningError(
            f"{path} is not a key that bundles of sigstore's are signed with",
            why=str(error),
            advice="openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE",
        ) from error


def _command(key: SigningKey, program: str, file: Path, signature: Path) -> Sequence[str]:
    match key.scheme:
        case "openpgp":
            return [program, "--batch", "--yes", "--local-user", key.name, "--digest-algo", "SHA512", "--armor",
                    "--output", str(signature), "--detach-sign", str(file)]  # fmt: skip
        case "ssh":  # it appends .sig itself
            return [program, "-Y", "sign", "-q", "-f", key.name, "-n", NAMESPACE, str(file)]
        case _:  # minisign
            return [program, "-S", "-s", key.name, "-x", str(signature), "-m", str(file),
                    "-t", f"file:{file.name}"]  # fmt: skip


def _run(key: SigningKey, command: Sequence[str], name: str) -> None:
    # Where there is a terminal, the program may ask for a passphrase there.
    terminal = sys.stdin is not None and sys.stdin.isatty()
    try:
        done = subprocess.run(
            command, stdin=None if terminal else subprocess.DEVNULL, capture_output=True, timeout=_LIMIT, check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise SigningError(f"{command[0]} did not end within {_LIMIT:g} s", why="it was ended") from error
    if done.returncode != 0:
        why = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise SigningError(f"{name} could not be signed with {key.scheme}:{key.name}", why=why)

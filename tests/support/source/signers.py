"""Throw-away OpenPGP keys, made and used by a real gpg at whatever time a test wants it to be."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DAY = 86_400
START = 1_600_000_000
"""2020-09-13, when most of these keys are made."""


class Signer:
    """A home of gpg's with secret keys, none of them with a passphrase."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def gpg(self, *arguments: str, at: int, stdin: bytes = b"", batch: bool = True) -> bytes:
        options = ["--no-options", "--no-tty", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""]
        options += ["--batch"] if batch else []
        done = subprocess.run(
            ["gpg", *options, "--faked-system-time", f"{at}!", *arguments],
            input=stdin, capture_output=True, check=False, env={"GNUPGHOME": str(self.home), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def key(self, name: str, *, made: int = START, days: int = 0, algorithm: str = "ed25519", use: str = "sign") -> str:
        """A new key, for so many days (0: for ever); its fingerprint."""
        self.gpg("--quick-generate-key", name, algorithm, use, f"seconds={days * DAY}" if days else "never", at=made)
        return self._fingerprints(f"={name}", made)[0]

    def subkey(self, primary: str, *, made: int, days: int) -> str:
        """A signing subkey for so many days; its fingerprint."""
        self.gpg("--quick-add-key", primary, "ed25519", "sign", f"seconds={days * DAY}", at=made)
        return self._fingerprints(primary, made)[-1]

    def sign(self, key: str, data: bytes, *, at: int, hash: str = "SHA512") -> bytes:  # noqa: A002 - what it is
        """A detached signature, armoured."""
        options = ["--digest-algo", hash, "--local-user", f"{key}!", "--armor", "--detach-sign"]
        return self.gpg(*options, "--allow-weak-digest-algos", at=at, stdin=data)

    def revoke(self, key: str, reason: int, *, at: int) -> None:
        """Revoke a primary key; reasons as gpg's menu has them: 1 compromised, 2 replaced, 3 no longer used."""
        answers = f"y\n{reason}\nmade up\n\ny\n".encode()
        certificate = self.gpg("--command-fd", "0", "--gen-revoke", key, at=at, stdin=answers, batch=False)
        self.gpg("--import", at=at, stdin=certificate)

    def public(self, key: str) -> bytes:
        """The public key, armoured."""
        return self.gpg("--armor", "--export", key, at=START)

    def _fingerprints(self, key: str, at: int) -> list[str]:
        rows = self.gpg("--with-colons", "--list-keys", key, at=at).decode().splitlines()
        return [row.split(":")[9] for row in rows if row.startswith("fpr")]


@contextmanager
def signer() -> Iterator[Signer]:
    """Its agent ends with it. In a short folder: a socket's path has 108 bytes at most."""
    if shutil.which("gpg-agent") is None:
        import pytest

        pytest.skip("there is no gpg-agent, which keeps secret keys")
    with tempfile.TemporaryDirectory(prefix="pk-", dir="/tmp", ignore_cleanup_errors=True) as home:
        try:
            yield Signer(Path(home))
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True, check=False)

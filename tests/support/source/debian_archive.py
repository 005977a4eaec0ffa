"""A small archive of Debian's kind, signed by a throw-away key: a folder with ``dists/`` and ``pool/``."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.support.source.signers import DAY, Signer, signer

INDEX = "main/binary-amd64/Packages.xz"


class Archive:
    """A folder that a mirror could serve, and the key ring that knows its key."""

    def __init__(self, folder: Path, keys: Signer) -> None:
        self.folder = folder
        self.base = str(folder)
        self._keys = keys
        self._now = int(time.time())
        self.key = keys.key("Archive <archive@example.org>", made=self._now - DAY)
        self.key_ring = folder / "archive.gpg"
        folder.mkdir(parents=True, exist_ok=True)
        self.key_ring.write_bytes(keys.gpg("--export", self.key, at=self._now))

    def suite(
        self, name: str, packages: Sequence[Mapping[str, str]], *, codename: str = "", valid_for: int | None = 7 * DAY,
        by_hash: bool = True, key: str | None = None,
    ) -> Path:  # fmt: skip
        """Write a suite with ``packages``, signed with ``key`` or the archive's own; return its folder."""
        text = "\n".join("".join(f"{field}: {value}\n" for field, value in fields.items()) for fields in packages)
        packed = lzma.compress(text.encode())
        digest = hashlib.sha256(packed).hexdigest()
        folder = self.folder / "dists" / name
        index = folder / INDEX
        hashed = index.parent / "by-hash/SHA256"
        hashed.mkdir(parents=True, exist_ok=True)
        index.write_bytes(packed)
        if by_hash:
            (hashed / digest).write_bytes(packed)
        release = f"Origin: Debian\nSuite: {name}\nCodename: {codename or name}\nDate: {formatdate(self._now)}\n"
        if valid_for is not None:
            release += f"Valid-Until: {formatdate(self._now + valid_for)}\n"
        release += f"MD5Sum:\n {'0' * 32} 1 {INDEX}\nSHA256:\n {'0' * 64} 12 main/Contents.gz\n"
        release += f" {digest} {len(packed)} {INDEX}\n"
        (folder / "InRelease").write_bytes(self.signed(release, key))
        return folder

    def signed(self, text: str, key: str | None = None) -> bytes:
        """Sign ``text`` as InRelease is signed."""
        return self._keys.gpg("--local-user", key or self.key, "--clearsign", at=self._now, stdin=text.encode())

    def foreign_key(self) -> str:
        """Make a key that the key ring does not know."""
        return self._keys.key("Somebody <somebody@example.org>", made=self._now - DAY)


def archive_in(folder: Path) -> Iterator[Archive]:
    """Make an archive in ``folder``, for a fixture. Skips where nothing can check its signature."""
    if shutil.which("gpgv") is None:
        pytest.skip("gpgv is not in PATH")
    with signer() as keys:
        yield Archive(folder, keys)

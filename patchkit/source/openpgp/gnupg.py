"""Ask GnuPG about OpenPGP signatures and keys; :mod:`patchkit.source.openpgp.judgement` draws the conclusions.

Every question gets a key ring of its own, in a folder that is gone afterwards: neither the user's keys, settings nor
trust have a say, and nothing is fetched.
"""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from patchkit.errors import OpenPgpMissingError, SignatureFileError
from patchkit.storage import writing

_LIMIT = 1 << 20  # bytes; a detached signature has some hundred, upstream's largest key with its past 60 kB
_PATIENCE = 60.0  # seconds; a signature takes milliseconds

# RFC 9580, section 9.5.
HASHES = {1: "MD5", 2: "SHA-1", 3: "RIPEMD-160", 8: "SHA-256", 9: "SHA-384", 10: "SHA-512", 11: "SHA-224",
          12: "SHA3-256", 14: "SHA3-512"}  # fmt: skip

# RFC 9580, section 5.2.3.31: with these reasons, what was signed before stays good.
_SUPERSEDED, _RETIRED = 1, 3


@dataclass(frozen=True)
class Revocation:
    """A key's owner took it back. ``when`` in seconds since 1970."""

    when: int
    from_the_start: bool
    """True unless the reason is that the key was superseded or retired: then not even what is older counts."""


@dataclass(frozen=True)
class KeyPart:
    """A primary key or a subkey, as its newest self-signature has it. Times in seconds since 1970."""

    fingerprint: str
    primary: str
    name: str
    """The first user id of the primary key, without control characters."""
    created: int
    expires: int | None
    signs: bool
    """Whether it is meant for signatures on data."""
    revoked: Revocation | None = None


@dataclass(frozen=True)
class RawSignature:
    """One signature as GnuPG sees it, with no judgement on its key's validity."""

    state: str
    """``fits`` (these data, that key), ``bad`` (other data), ``no-key``, or ``unreadable``."""
    key: str
    """The fingerprint of the (sub)key that made it, or its 16-digit id where the key is not at hand."""
    made: int | None = None
    expires: int | None = None
    hash: str = ""


@dataclass
class KeyRing:
    """Keys that count, and nothing else."""

    home: Path
    parts: dict[str, KeyPart] = field(default_factory=dict)
    """By fingerprint."""

    def add(self, armour: bytes) -> None:
        """Take in what a file holds; what it says of a key that is there is merged. Raises SignatureFileError."""
        done = self._gpg("--import", stdin=armour)
        if "[GNUPG:] IMPORT_OK" not in done.stdout.decode("utf-8", "replace"):
            raise SignatureFileError(
                "this holds no OpenPGP key",
                why=_words(done.stderr),
                advice="gpg --export --armor FINGERPRINT writes one",
            )
        listed = self._gpg("--with-colons", "--fixed-list-mode", "--with-fingerprint", "--check-sigs")
        self.parts = {part.fingerprint: part for part in _parts(listed.stdout.decode("utf-8", "replace"))}

    def check(self, signature: bytes, data: bytes) -> list[RawSignature]:
        """All detached signatures in a file, on these data. Raises SignatureFileError for what is none."""
        if len(signature) > _LIMIT:
            raise SignatureFileError("this is no signature", why=f"it is larger than {_LIMIT >> 20} MiB")
        signed, made = self.home / "data", self.home / "data.sig"
        with writing(self.home):
            signed.write_bytes(data)
            made.write_bytes(signature)
        done = self._gpg("--allow-weak-digest-algos", "--verify", str(made), str(signed))
        found = list(_signatures(done.stdout.decode("utf-8", "replace")))
        if not found:
            raise SignatureFileError("this is no signature", why=_words(done.stderr))
        return found

    def export(self, fingerprint: str) -> bytes:
        """One key as armoured text, with its own signatures only."""
        return self._gpg("--armor", "--export-options", "export-minimal", "--export", fingerprint).stdout

    def _gpg(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        # Exit codes tell less than the status lines: an expired key gives 0, a missing one 2.
        options = ("--no-options", "--batch", "--no-tty", "--no-autostart", "--trust-model", "always",
                   "--no-auto-key-retrieve", "--no-auto-check-trustdb", "--status-fd", "1")  # fmt: skip
        try:
            return subprocess.run(
                ["gpg", *options, *arguments],
                input=stdin,
                capture_output=True,
                check=False,
                timeout=_PATIENCE,
                env={"PATH": os.environ.get("PATH", os.defpath), "GNUPGHOME": str(self.home), "LC_ALL": "C.UTF-8"},
            )
        except FileNotFoundError as error:
            raise OpenPgpMissingError(
                "gpg is not installed", why="it is what reads OpenPGP signatures", advice="apt-get install gpg"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise SignatureFileError("gpg did not come to an end", why=f"within {_PATIENCE:g} s") from error


@contextmanager
def key_ring(armours: Sequence[bytes]) -> Iterator[KeyRing]:
    """A key ring of these keys. Raises OpenPgpMissingError, SignatureFileError, StorageError."""
    with tempfile.TemporaryDirectory(prefix="patchkit-gpg-") as home:
        ring = KeyRing(Path(home))
        for armour in armours:
            ring.add(armour)
        yield ring


def day(seconds: int) -> str:
    """A time as a date in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()


def _signatures(status: str) -> Iterator[RawSignature]:
    """From GnuPG's status lines (its doc/DETAILS). Whatever a user id says, it can't begin a line of its own."""
    current: RawSignature | None = None
    for words in (line.split(" ")[1:] for line in status.split("\n") if line.startswith("[GNUPG:] ")):
        match words:
            case ["NEWSIG", *_]:
                if current is not None:
                    yield current
                current = RawSignature("unreadable", "")
            case ["BADSIG", key, *_]:
                current = RawSignature("bad", key)
            case ["ERRSIG", key, _, digest, _, made, reason, *_]:
                state = "no-key" if reason == "9" else "unreadable"  # 9: no public key
                current = RawSignature(state, key, _seconds(made), hash=_hash(digest))
            case ["VALIDSIG", key, _, made, expires, _, _, _, digest, *_] if current is not None:
                # Also for keys that are expired or revoked: the bytes fit, and the rest is not gpg's to judge.
                current = RawSignature("fits", key, _seconds(made), _seconds(expires), _hash(digest))
            case _:
                pass
    if current is not None:
        yield current


def _parts(listed: str) -> Iterator[KeyPart]:
    """From a listing in colons (GnuPG's doc/DETAILS); only revocations that were checked count."""
    keys: list[KeyPart] = []
    primary_at = 0
    about_key = True
    for row in (line.split(":") for line in listed.split("\n")):
        kind = row[0]
        if kind in ("pub", "sub"):
            primary_at = len(keys) if kind == "pub" else primary_at
            about_key = True
            uses = row[11]
            keys.append(KeyPart("", "", "", int(row[5]), _seconds(row[6]), signs="s" in uses))
        elif not keys:
            continue
        elif kind == "fpr":
            own = row[9]
            primary = own if primary_at == len(keys) - 1 else keys[primary_at].fingerprint
            keys[-1] = replace(keys[-1], fingerprint=own, primary=primary)
        elif kind == "uid":
            about_key = False  # what follows revokes the name, not the key
            if not keys[primary_at].name:
                keys[primary_at] = replace(keys[primary_at], name=_printable(row[9]))
        elif kind == "rev" and row[1] == "!" and about_key:
            keys[-1] = replace(keys[-1], revoked=_earliest(keys[-1].revoked, _revocation(row)))
    names = {key.primary: key.name for key in keys if key.name}
    return (replace(key, name=names.get(key.primary, "")) for key in keys)


def _revocation(row: Sequence[str]) -> Revocation:
    reason = row[10].partition(",")[2]
    return Revocation(int(row[5]), from_the_start=reason not in (f"{_SUPERSEDED:02}", f"{_RETIRED:02}"))


def _earliest(one: Revocation | None, other: Revocation) -> Revocation:
    return other if one is None else Revocation(min(one.when, other.when), one.from_the_start or other.from_the_start)


def _seconds(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) else None


def _hash(number: str) -> str:
    return HASHES.get(int(number), f"hash {number}") if number.isdecimal() else ""


def _printable(text: str) -> str:
    """A user id may hold anything; GnuPG writes what is odd as ``\\x1b``, and that is how it stays."""
    return re.sub(r"[^ -~\u00a1-\ud7ff\ue000-\uffff]", "?", text)[:120]


def _words(stderr: bytes) -> str:
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if "keybox" not in line]
    return _printable("; ".join(line.removeprefix("gpg: ") for line in lines[-3:]))

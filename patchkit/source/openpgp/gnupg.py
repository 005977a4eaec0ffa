"""Read OpenPGP signatures and keys with GnuPG; :mod:`patchkit.source.openpgp.judgement` judges them.

Every call uses a key ring of its own, in a folder that is removed afterwards: the user's keys, settings and trust do
not count, and nothing is fetched.
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
    """The revocation of a key by its owner. ``when`` is in seconds since 1970."""

    when: int
    from_the_start: bool
    """Whether older signatures are invalid too: so unless the key was superseded or retired."""


@dataclass(frozen=True)
class KeyPart:
    """A primary key or a subkey, as its newest self-signature describes it. Times are in seconds since 1970."""

    fingerprint: str
    primary: str
    name: str
    """The first user id of the primary key, without control characters."""
    created: int
    expires: int | None
    signs: bool
    """Whether the key is meant for signatures on data."""
    revoked: Revocation | None = None


@dataclass(frozen=True)
class RawSignature:
    """One signature as GnuPG reads it, without a judgement on the validity of its key."""

    state: str
    """``fits`` (signature, data and key match), ``bad`` (other data), ``no-key``, or ``unreadable``."""
    key: str
    """The fingerprint of the (sub)key that made the signature, or its 16-digit id where the key is unknown."""
    signed_at: int | None = None
    expires: int | None = None
    hash: str = ""


@dataclass
class KeyRing:
    """A key ring with only the keys that count."""

    home: Path
    parts: dict[str, KeyPart] = field(default_factory=dict)
    """By fingerprint."""

    def add(self, armour: bytes) -> None:
        """Import the keys in ``armour``, and merge news of keys that are there already.

        Raises SignatureFileError where there is no key, OpenPgpMissingError where gpg is not installed.
        """
        imported = self._gpg("--import", stdin=armour)
        if "[GNUPG:] IMPORT_OK" not in imported.stdout.decode("utf-8", "replace"):
            raise SignatureFileError(
                "this holds no OpenPGP key",
                why=_words(imported.stderr),
                advice="gpg --export --armor FINGERPRINT writes one",
            )
        listed = self._gpg("--with-colons", "--fixed-list-mode", "--with-fingerprint", "--check-sigs")
        self.parts = {part.fingerprint: part for part in _parts(listed.stdout.decode("utf-8", "replace"))}

    def check(self, signature: bytes, data: bytes) -> list[RawSignature]:
        """Return all detached signatures in the file ``signature``, checked against ``data``.

        Raises SignatureFileError where there are none, OpenPgpMissingError, DiskFullError or StorageError.
        """
        if len(signature) > _LIMIT:
            raise SignatureFileError("this is not a signature", why=f"it is larger than {_LIMIT >> 20} MiB")
        signed, detached = self.home / "data", self.home / "data.sig"
        with writing(self.home):
            signed.write_bytes(data)
            detached.write_bytes(signature)
        checked = self._gpg("--allow-weak-digest-algos", "--verify", str(detached), str(signed))
        signatures = list(_signatures(checked.stdout.decode("utf-8", "replace")))
        if not signatures:
            raise SignatureFileError("this is not a signature", why=_words(checked.stderr))
        return signatures

    def export(self, fingerprint: str) -> bytes:
        """Return the key ``fingerprint`` as armoured text, with all its subkeys, and with its own signatures only.

        Raises OpenPgpMissingError, or SignatureFileError where gpg does not end.
        """
        # gpg's export-minimal leaves out subkeys that have expired, which are those that old signatures were made with.
        whole = self._gpg("--armor", "--export", fingerprint).stdout
        with key_ring([]) as own:
            own._gpg("--import-options", "self-sigs-only", "--import", stdin=whole)
            return own._gpg("--armor", "--export", fingerprint).stdout

    def _gpg(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        # Status lines say more than exit codes: an expired key gives 0, a missing one 2.
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
                "gpg is not installed", why="it reads OpenPGP signatures", advice="apt-get install gpg"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise SignatureFileError("gpg did not come to an end", why=f"within {_PATIENCE:g} s") from error


@contextmanager
def key_ring(armours: Sequence[bytes]) -> Iterator[KeyRing]:
    """Open a key ring with the keys in ``armours``. Raises OpenPgpMissingError, SignatureFileError or StorageError."""
    with tempfile.TemporaryDirectory(prefix="patchkit-gpg-") as home:
        ring = KeyRing(Path(home))
        for armour in armours:
            ring.add(armour)
        yield ring


def day(seconds: int) -> str:
    """Return ``seconds`` since 1970 as a date in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()


def _signatures(status: str) -> Iterator[RawSignature]:
    """Parse GnuPG's status lines (its doc/DETAILS). A user id may hold anything, but no newline."""
    current: RawSignature | None = None
    for words in (line.split(" ")[1:] for line in status.split("\n") if line.startswith("[GNUPG:] ")):
        match words:
            case ["NEWSIG", *_]:
                if current is not None:
                    yield current
                current = RawSignature("unreadable", "")
            case ["BADSIG", key, *_]:
                current = RawSignature("bad", key)
            case ["ERRSIG", key, _, digest, _, signed_at, reason, *_]:
                state = "no-key" if reason == "9" else "unreadable"  # 9: no public key
                current = RawSignature(state, key, _seconds(signed_at), hash=_hash(digest))
            case ["VALIDSIG", key, _, signed_at, expires, _, _, _, digest, *_] if current is not None:
                # Also for keys that are expired or revoked: the bytes match, and the judgement is not gpg's.
                current = RawSignature("fits", key, _seconds(signed_at), _seconds(expires), _hash(digest))
            case _:
                pass
    if current is not None:
        yield current


def _parts(listed: str) -> Iterator[KeyPart]:
    """Parse a listing in colons (GnuPG's doc/DETAILS); only revocations that gpg has checked count."""
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


def _earliest(known: Revocation | None, new: Revocation) -> Revocation:
    return new if known is None else Revocation(min(known.when, new.when), known.from_the_start or new.from_the_start)


def _seconds(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) else None


def _hash(number: str) -> str:
    return HASHES.get(int(number), f"hash {number}") if number.isdecimal() else ""


def _printable(text: str) -> str:
    """Replace what is not printable in a user id; GnuPG itself has escaped control characters as ``\\x1b``."""
    return re.sub(r"[^ -~\u00a1-\ud7ff\ue000-\uffff]", "?", text)[:120]


def _words(stderr: bytes) -> str:
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if "keybox" not in line]
    return _printable("; ".join(line.removeprefix("gpg: ") for line in lines[-3:]))

"""Read a suite's index of packages from a Debian mirror, and believe it only where Debian's archive has signed it.

``InRelease`` is signed by the keys of Debian's archive and names the hash of every index; an index names the hash of
every package. gpgv checks the signature, with the key ring that apt uses.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from patchkit.context import Context
from patchkit.errors import BadSignatureError, OpenPgpMissingError, PlacesExhaustedError, StorageError, WrongHashError
from patchkit.source.fetch import debian
from patchkit.source.fetch.download import fetch_unpinned
from patchkit.source.fetch.places import Place
from patchkit.storage import expanded, reading, writing

ARCHIVE = "https://deb.debian.org/debian"
"""Debian's own address of its archive, without a trailing slash."""
_KEYRINGS = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")
_INDEX = "main/binary-amd64/Packages.xz"
_PATIENCE = 60.0  # seconds for gpgv, which takes milliseconds
_LIMIT = 1 << 28  # bytes of an index, unpacked; that of sid has some 60 MB

Fields = dict[str, str]
"""One package, by the names of its fields; fields of several lines have their first line only."""


@dataclass(frozen=True)
class SignedIndex:
    """The packages of a suite, as its archive has signed them."""

    suite: str
    date: datetime
    """When the archive wrote it, in UTC."""
    packages: Sequence[Fields]

    @property
    def snapshot(self) -> str:
        """The moment that snapshot.debian.org knows this state of the archive by."""
        return f"{self.date:%Y%m%dT%H%M%SZ}"


def read_index(base: str, suite: str, context: Context) -> SignedIndex:
    """Fetch the index of ``suite`` for amd64 from the mirror ``base``, a URL or a folder, and check all of it.

    Raises BadSignatureError where no key of Debian's archive has signed it, it is another suite's or out of date,
    WrongHashError where the index is not the signed one, OpenPgpMissingError without gpgv, StorageError without a key
    ring; NetworkUnavailableError, PlacesExhaustedError or DiskFullError.
    """
    with writing(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory(prefix="patchkit-index-") as name:
        folder = Path(name)
        release = _signed_text(_fetched(f"{base}/dists/{suite}", "InRelease", folder, context), base, suite)
        fields = dict(re.findall(r"^([\w-]+): (.*)$", release, re.MULTILINE))
        date = _date(fields, base, suite)
        digest, size = _entry(release, base, suite)
        where, _, file = f"{base}/dists/{suite}/{_INDEX}".rpartition("/")
        try:
            # By its hash: a mirror may be updating just now, and has the old file under that name for some days.
            packed = _fetched(f"{where}/by-hash/SHA256", digest, folder, context)
        except PlacesExhaustedError:
            packed = _fetched(where, file, folder, context)
        with reading(packed):
            data = packed.read_bytes()
    actual = hashlib.sha256(data).hexdigest()
    if actual != digest or len(data) != size:
        raise WrongHashError(
            f"{base} serves an index of {suite} that Debian has not signed",
            why=f"signed sha256 {digest}, {size} bytes\nfound  sha256 {actual}, {len(data)} bytes",
            advice="try again in an hour, or with another mirror: PATCHKIT_DEBIAN_MIRROR=URL",
        )
    return SignedIndex(suite, date, _paragraphs(_unpacked(data)))


def key_ring() -> Path:
    """Return Debian's archive key ring: the file that ``PATCHKIT_DEBIAN_KEYRING`` names, otherwise apt's.

    Raises StorageError where there is none.
    """
    named = os.environ.get("PATCHKIT_DEBIAN_KEYRING")
    paths = [expanded(named)] if named else [Path("/usr/share/keyrings", name) for name in _KEYRINGS]
    for path in paths:
        if path.is_file():
            return path.absolute()
    raise StorageError(
        "the keys of Debian's archive are not here",
        why=f"no file {' or '.join(map(str, paths))}",
        advice="apt-get install debian-archive-keyring, or PATCHKIT_DEBIAN_KEYRING=FILE",
    )


def mirrors() -> tuple[str, ...]:
    """Return the base URLs of the mirrors that may have an index: this machine's, then Debian's own."""
    return tuple(dict.fromkeys((*debian.mirrors(), ARCHIVE)))


def _fetched(where: str, name: str, folder: Path, context: Context) -> Path:
    return fetch_unpinned(name, [Place(f"{where}/{name}")], folder, context)


def _signed_text(path: Path, base: str, suite: str) -> str:
    """Return the text that is signed in the file ``path``: what stands around it is nobody's."""
    text = path.with_name("Release")
    command = ["gpgv", "--keyring", str(key_ring()), "--weak-digest", "SHA1", "--status-fd", "1", "--output", str(text)]
    try:
        checked = subprocess.run(
            [*command, str(path)], capture_output=True, text=True, errors="replace", check=False, timeout=_PATIENCE,
            env={"PATH": os.environ.get("PATH", os.defpath), "GNUPGHOME": str(path.parent), "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise OpenPgpMissingError(
            "gpgv is not installed", why="it checks the signatures of Debian's archive", advice="apt-get install gpgv"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise BadSignatureError("gpgv did not come to an end", why=f"within {_PATIENCE:g} s") from error
    # Debian signs with several keys, some of them newer than an old system's key ring: as for apt, one that is known
    # suffices. A key that is expired or revoked gives another word than GOODSIG.
    words = set(re.findall(r"^\[GNUPG:\] (\w+)", checked.stdout, re.MULTILINE))
    if "GOODSIG" not in words or "VALIDSIG" not in words or "BADSIG" in words or not text.is_file():
        raise BadSignatureError(
            f"{base} serves an InRelease of {suite} that no key of Debian's archive has signed",
            why="\n".join(line for line in checked.stderr.splitlines()[-4:] if "keybox" not in line),
            advice="update debian-archive-keyring, or use another mirror: PATCHKIT_DEBIAN_MIRROR=URL",
        )
    with reading(text):
        return text.read_text("utf-8", "replace")


def _date(fields: Fields, base: str, suite: str) -> datetime:
    """Return when the suite was written. Raises BadSignatureError for another suite and for one out of date."""
    if suite not in (fields.get("Suite"), fields.get("Codename")):
        raise BadSignatureError(
            f"{base} serves another suite as {suite}", why=f"it is {fields.get('Suite')}, {fields.get('Codename')}"
        )
    try:
        date = parsedate_to_datetime(fields["Date"]).astimezone(UTC)
        until = parsedate_to_datetime(fields["Valid-Until"]).astimezone(UTC) if "Valid-Until" in fields else None
    except (KeyError, ValueError, TypeError) as error:
        raise BadSignatureError(f"{base} serves an InRelease of {suite} without a date", why=str(error)) from error
    if until is not None and until < datetime.now(UTC):
        raise BadSignatureError(
            f"{base} serves an index of {suite} that is out of date",
            why=f"it was valid until {until:%Y-%m-%d %H:%M} UTC",
            advice="check this machine's clock, or use another mirror: PATCHKIT_DEBIAN_MIRROR=URL",
        )
    return date


def _entry(release: str, base: str, suite: str) -> tuple[str, int]:
    """Find hash and size of the index in the block SHA256 of ``release``."""
    block = re.search(r"^SHA256:\n((?: .*\n?)+)", release, re.MULTILINE)
    rows = [line.split() for line in block[1].splitlines()] if block else []
    for row in rows:
        if len(row) == 3 and row[2] == _INDEX and re.fullmatch("[0-9a-f]{64}", row[0]) and row[1].isdecimal():
            return row[0], int(row[1])
    raise BadSignatureError(f"{base} serves an InRelease of {suite} that names no {_INDEX}")


def _unpacked(data: bytes) -> str:
    return lzma.LZMADecompressor().decompress(data, _LIMIT).decode("utf-8", "replace")


def _paragraphs(listing: str) -> list[Fields]:
    blocks = (dict(re.findall(r"^([\w-]+): (.*)$", block, re.MULTILINE)) for block in listing.split("\n\n"))
    return [fields for fields in blocks if "Package" in fields]

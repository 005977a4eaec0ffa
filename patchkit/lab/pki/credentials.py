"""The credentials of the lab, by profile: a CA, two leaves and what else a handshake needs, always the same bytes.

What the lab finds must be the same on any machine, and the size of certificates decides how many packets a
handshake takes. So nothing here is random: **these are test keys, NOT SECRET**, anyone can derive them. The
certificates say so too.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from patchkit.cache import Cache
from patchkit.json_schema import Part
from patchkit.lab.pki.profile import profile
from patchkit.storage import reading, replace_all

GUEST_TIME = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)
"""What the clocks of the lab's machines start from: all certificates are valid then, and nine years more."""

_SCHEME = 1  # with another number they are all made anew: raise it when the files change


class _Entry(Part):
    """What the cache keeps of a profile: its files, and what tells that they are whole."""

    profile: str
    sha256: str
    files: dict[str, str]


def credentials(name: str, cache: Cache) -> Mapping[str, bytes]:
    """PEM files by name: ca.crt, dh.pem, server.crt, server.key, client.crt, client.key, ta.key.

    ``name`` is a profile's. The intermediates are in server.crt and client.crt, behind the leaf; ta.key is for
    --tls-auth and --tls-crypt alike. Made once a cache, in 0.1 s (EC) to 10 s (RSA 4096). Raises ScenarioError,
    GuestError where OpenSSL is too old for EC, StorageError or DiskFullError.
    """
    asked = profile(name)
    path = cache.made("credentials", f"scheme-{_SCHEME}") / f"{name}.json"
    if (kept := _kept(path, name)) is not None:
        return kept
    with cache.lock(f"credentials-{name}"):
        if (kept := _kept(path, name)) is not None:  # another run made them while this one waited
            return kept
        from patchkit.lab.pki.certificates import made

        files = made(asked)
        texts = {file: content.decode("ascii") for file, content in files.items()}
        entry = _Entry(profile=name, sha256=digest(files), files=texts)
        replace_all({path: entry.model_dump_json(indent=1).encode()})
    return files


def damaged(folder: Path) -> tuple[int, list[Path]]:
    """How many sets of credentials a cache keeps, and those that are not what was kept. Raises StorageError."""
    kept = sorted(folder.glob(f"scheme-{_SCHEME}/*.json"))
    return len(kept), [path for path in kept if _kept(path, path.stem) is None]


def digest(files: Mapping[str, bytes]) -> str:
    """One hash for all files, in hex: that of what ``sha256sum *`` prints about them."""
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _kept(path: Path, name: str) -> dict[str, bytes] | None:
    """What the cache has, if it is whole."""
    with reading(path):
        if not path.exists():
            return None
        data = path.read_bytes()
    try:
        entry = _Entry.model_validate_json(data)
    except ValidationError:
        return None
    files = {file: text.encode() for file, text in entry.files.items()}
    return files if (entry.profile, entry.sha256) == (name, digest(files)) else None

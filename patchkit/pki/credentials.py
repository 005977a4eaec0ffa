"""The credentials of the lab, by profile: a CA, two leaves and what else a handshake needs, always the same bytes.

The lab's results must be the same on every machine, and the size of certificates decides how many packets a
handshake takes. So nothing here is random: **these are test keys, NOT SECRET**, everyone has them. The certificates
say so, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from patchkit.cache import Cache
from patchkit.json_schema import Part
from patchkit.pki.profile import profile
from patchkit.storage import reading, replace_all, tell_damaged

_SCHEME = 1  # a part of the cache's path: raise it when the files change, and all are made anew


class _Entry(Part):
    """A profile's files in the cache, and the hash that shows that they are undamaged."""

    profile: str
    sha256: str
    files: dict[str, str]


def credentials(name: str, cache: Cache) -> Mapping[str, bytes]:
    """Return the PEM files of the profile ``name``: ca.crt, dh.pem, ta.key, {server,client}.{crt,key}.

    The intermediates are in server.crt and client.crt, behind the leaf; ta.key is for --tls-auth and --tls-crypt. The
    files are made once per cache. Raises ScenarioError when there is no such profile, GuestError when OpenSSL is too
    old for EC, StorageError or DiskFullError when the cache cannot be used.
    """
    requested = profile(name)
    path = cache.made("credentials", f"scheme-{_SCHEME}") / f"{name}.json"
    if (cached := _cached(path, name)) is not None:
        return cached
    with cache.lock(f"credentials-{name}"):
        if (cached := _cached(path, name)) is not None:  # another process made them while this one waited
            return cached
        if path.exists():
            tell_damaged(path)
        from patchkit.pki.certificates import LAB_VALIDITY, issued

        files = issued(requested, LAB_VALIDITY)
        texts = {file: content.decode("ascii") for file, content in files.items()}
        entry = _Entry(profile=name, sha256=digest(files), files=texts)
        replace_all({path: entry.model_dump_json(indent=1).encode()})
    return files


def damaged(folder: Path) -> tuple[int, list[Path]]:
    """Count the sets of credentials in ``folder`` of a cache, and list the damaged ones. Raises StorageError."""
    paths = sorted(folder.glob(f"scheme-{_SCHEME}/*.json"))
    return len(paths), [path for path in paths if _cached(path, path.stem) is None]


def digest(files: Mapping[str, bytes]) -> str:
    """Hash all ``files`` together: the sha256, in hex, of what ``sha256sum *`` prints about them."""
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _cached(path: Path, name: str) -> dict[str, bytes] | None:
    """Read the credentials ``name`` from ``path``; None when the file is missing or damaged."""
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

"""Upstream's public keys: ``keys/`` has one file a key, named by its fingerprint, and ``keys.toml`` lists them with
their validity.

``ci/pin-keys`` writes both. Nothing here opens the network.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

_DAYS_BEFORE = 120


@dataclass(frozen=True)
class UpstreamKey:
    """One primary key."""

    fingerprint: str
    """40 hex digits."""
    name: str
    signs: str
    """What upstream signs with it."""
    created: datetime.date
    expires: datetime.date | None
    records: tuple[str, ...]
    """Public places that state this fingerprint as upstream's."""
    armour: bytes
    """The key with its subkeys, as ``gpg --export --armor`` writes it."""


@dataclass(frozen=True)
class MissingKey:
    """A key that upstream has signed with and that is not available, by its 16-digit id."""

    id: str
    tags: tuple[str, ...]
    """The first and the last tag that were signed with the key."""


@cache
def upstream_keys() -> tuple[UpstreamKey, ...]:
    """Read all keys that are accepted as upstream's."""
    return tuple(
        UpstreamKey(
            fingerprint=entry["fingerprint"],
            name=entry["name"],
            signs=entry["signs"],
            created=entry["created"],
            expires=entry.get("expires"),
            records=tuple(entry["records"]),
            armour=(resources.files("patchkit.releases") / "keys" / f"{entry['fingerprint']}.asc").read_bytes(),
        )
        for entry in _table()["key"]
    )


def expiry_warnings(today: datetime.date, keys: Iterable[UpstreamKey] | None = None) -> list[str]:
    """Say of each of ``keys``, by default all of upstream's, that ends within 120 days after ``today`` when it does."""
    return [
        f"upstream's key {key.fingerprint} {'ends' if key.expires >= today else 'has ended'} on {key.expires}: "
        "signatures made later need a newer one (ci/pin-keys)"
        for key in (upstream_keys() if keys is None else keys)
        if key.expires is not None and (key.expires - today).days <= _DAYS_BEFORE
    ]


@cache
def missing_keys() -> tuple[MissingKey, ...]:
    """Read the list of the keys that are not available, so that signatures made with them can't be verified."""
    return tuple(MissingKey(entry["id"], tuple(entry["tags"])) for entry in _table()["missing"])


def _table() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads((resources.files("patchkit.releases") / "keys.toml").read_text("utf-8"))

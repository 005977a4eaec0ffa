"""Judge OpenPGP signatures, as of the time when each was made.

A key that has expired since, or was replaced, still made valid signatures; a compromised one, or one that had expired
when it signed, did not. The time of a signature is its own claim: the thief of a key can date signatures back.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from patchkit.errors import SignatureFileError
from patchkit.source.openpgp.gnupg import KeyPart, KeyRing, RawSignature, day

Worth = Literal["good", "good, key since expired", "good, key since revoked", "weak", "unknown key", "bad", "missing"]
GOOD: frozenset[Worth] = frozenset({"good", "good, key since expired", "good, key since revoked"})

# Collisions were shown in practice: of MD5 in 2004 (https://eprint.iacr.org/2004/199), of SHA-1 in 2017
# (https://eprint.iacr.org/2017/190). NIST SP 800-131A disallowed SHA-1 for signatures after 2013, and that counts.
_BROKEN_SINCE = {"MD5": 1_072_915_200, "RIPEMD-160": 1_388_534_400, "SHA-1": 1_388_534_400}
_CLOCKS_DIFFER = 24 * 3600  # seconds that a signer's clock may be ahead of ours


@dataclass(frozen=True)
class Judgement:
    """The judgement on one signature, or on the lack of one."""

    worth: Worth
    detail: str
    """Signer, time and reason."""
    key: str = ""
    """The fingerprint of the key that made the signature, or its id where the key is unknown."""
    primary: str = ""
    """The fingerprint of the primary key, under which the key is published."""
    signed_at: int | None = None
    """Seconds since 1970, as the signature itself claims."""


def judge(ring: KeyRing, signature: bytes, data: bytes, now: float | None = None) -> Judgement:
    """Judge the signatures in the file ``signature`` on ``data``: the best one counts, unless one of them is bad.

    ``now`` is in seconds since 1970. Raises OpenPgpMissingError, DiskFullError or StorageError.
    """
    try:
        signatures = ring.check(signature, data)
    except SignatureFileError as error:
        return Judgement("bad", ": ".join(filter(None, (error.what, error.why))))
    moment = int(time.time() if now is None else now)
    return best(_judged(raw, ring.parts, moment) for raw in signatures)


def best(judged: Iterable[Judgement]) -> Judgement:
    """Return the judgement that counts of several: a bad one is never outweighed."""
    order: list[Worth] = ["bad", *sorted(GOOD), "weak", "unknown key", "missing"]
    return min(judged, key=lambda judgement: order.index(judgement.worth))


def _judged(raw: RawSignature, parts: dict[str, KeyPart], now: int) -> Judgement:
    part = parts.get(raw.key)
    if raw.state == "no-key":
        return Judgement("unknown key", f"made with {raw.key}, which is not among the keys that count", raw.key)
    if raw.state != "fits" or part is None or raw.signed_at is None:
        why = "it is not of these data, or was altered" if raw.state == "bad" else "it can't be read"
        return Judgement("bad", f"{why} (key {raw.key or 'not named'})", raw.key)
    chain = [part] if part.primary == part.fingerprint else [part, parts[part.primary]]
    worth, why = _worth(raw, raw.signed_at, chain, now)
    who = f"{part.name}, {raw.hash}, on {day(raw.signed_at)}"
    return Judgement(worth, who + (f": {why}" if why else ""), part.fingerprint, part.primary, raw.signed_at)


def _worth(raw: RawSignature, signed_at: int, chain: Sequence[KeyPart], now: int) -> tuple[Worth, str]:
    """Return worth and reason of a signature that fits; its key comes first in the chain, the primary key last."""
    key_faults = (fault for key in chain for fault in _faults_of_key(key, signed_at))
    for fault in (*_faults(raw, signed_at, chain[0], now), *key_faults):
        return "bad", fault
    if signed_at >= _BROKEN_SINCE.get(raw.hash, signed_at + 1):
        return "weak", f"{raw.hash} can be cheated: it could have been a signature of something else"
    for key in chain:
        if key.revoked:
            return "good, key since revoked", f"on {day(key.revoked.when)}, because it was replaced"
    for key in chain:
        if key.expires is not None and key.expires <= now:
            return "good, key since expired", f"on {day(key.expires)}"
    return "good", ""


def _faults(raw: RawSignature, signed_at: int, part: KeyPart, now: int) -> Iterator[str]:
    if not part.signs:
        yield "its key is not meant for signatures"
    if signed_at > now + _CLOCKS_DIFFER:
        yield "it is dated in the future"
    if raw.expires is not None and raw.expires <= now:
        yield f"the signature itself was to hold until {day(raw.expires)} only"


def _faults_of_key(key: KeyPart, signed_at: int) -> Iterator[str]:
    """Give the reasons why a key could not sign anything at the time ``signed_at``."""
    if signed_at < key.created:
        yield f"its key is younger than it, of {day(key.created)}"
    if key.expires is not None and signed_at >= key.expires:
        yield f"its key had expired on {day(key.expires)}"
    if key.revoked and key.revoked.from_the_start:
        yield f"its key was revoked on {day(key.revoked.when)}, and not merely replaced"
    elif key.revoked and signed_at >= key.revoked.when:
        yield f"its key had been revoked on {day(key.revoked.when)}"

"""What an OpenPGP signature is worth, judged at the time when it was made.

A key that has expired since, or was replaced, has signed well all the same; one that was given away, or was over when
it signed, has not. When a signature was made, only the signature itself says: who has stolen a key can date it back.
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
    """What one signature, or the lack of one, says."""

    worth: Worth
    detail: str
    """Who, when, and why."""
    key: str = ""
    """The fingerprint of the key that made it, or its id where the key is unknown."""
    primary: str = ""
    """The fingerprint that the key is published under."""
    made: int | None = None
    """Seconds since 1970, by the signature's own word."""


def judge(ring: KeyRing, signature: bytes, data: bytes, now: float | None = None) -> Judgement:
    """What the signatures in a file are worth for these data: the best one counts, unless one of them is bad.

    ``now`` is in seconds since 1970. Raises OpenPgpMissingError or StorageError.
    """
    try:
        found = ring.check(signature, data)
    except SignatureFileError as error:
        return Judgement("bad", ": ".join(filter(None, (error.what, error.why))))
    moment = int(time.time() if now is None else now)
    judged = [_judged(one, ring.parts, moment) for one in found]
    return best(judged)


def best(judged: Iterable[Judgement]) -> Judgement:
    """The one that counts: a bad one is never outweighed."""
    order: list[Worth] = ["bad", *sorted(GOOD), "weak", "unknown key", "missing"]
    return min(judged, key=lambda one: order.index(one.worth))


def _judged(one: RawSignature, parts: dict[str, KeyPart], now: int) -> Judgement:
    part = parts.get(one.key)
    if one.state == "no-key":
        return Judgement("unknown key", f"made with {one.key}, which is not among the keys that count", one.key)
    if one.state != "fits" or part is None or one.made is None:
        why = "it is not of these data, or was altered" if one.state == "bad" else "it can't be read"
        return Judgement("bad", f"{why} (key {one.key or 'not named'})", one.key)
    chain = [part] if part.primary == part.fingerprint else [part, parts[part.primary]]
    worth, why = _worth(one, one.made, chain, now)
    who = f"{part.name}, {one.hash}, on {day(one.made)}"
    return Judgement(worth, who + (f": {why}" if why else ""), part.fingerprint, part.primary, one.made)


def _worth(one: RawSignature, made: int, chain: Sequence[KeyPart], now: int) -> tuple[Worth, str]:
    """The worth, and why, of a signature that fits; its key comes first in the chain, the primary one last."""
    for why in (*_faults(one, made, chain[0], now), *(why for key in chain for why in _faults_of_key(key, made))):
        return "bad", why
    if made >= _BROKEN_SINCE.get(one.hash, made + 1):
        return "weak", f"{one.hash} can be cheated: it could have been a signature of something else"
    for key in chain:
        if key.revoked:
            return "good, key since revoked", f"on {day(key.revoked.when)}, because it was replaced"
    for key in chain:
        if key.expires is not None and key.expires <= now:
            return "good, key since expired", f"on {day(key.expires)}"
    return "good", ""


def _faults(one: RawSignature, made: int, part: KeyPart, now: int) -> Iterator[str]:
    if not part.signs:
        yield "its key is not meant for signatures"
    if made > now + _CLOCKS_DIFFER:
        yield "it is dated in the future"
    if one.expires is not None and one.expires <= now:
        yield f"the signature itself was to hold until {day(one.expires)} only"


def _faults_of_key(key: KeyPart, made: int) -> Iterator[str]:
    """Why a key could not sign anything at that time."""
    if made < key.created:
        yield f"its key is younger than it, of {day(key.created)}"
    if key.expires is not None and made >= key.expires:
        yield f"its key had expired on {day(key.expires)}"
    if key.revoked and key.revoked.from_the_start:
        yield f"its key was revoked on {day(key.revoked.when)}, and not merely replaced"
    elif key.revoked and made >= key.revoked.when:
        yield f"its key had been revoked on {day(key.revoked.when)}"

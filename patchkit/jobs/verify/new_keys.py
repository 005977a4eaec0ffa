"""The entries for keys that new releases are signed with and that the pins do not have: whole keys, and new subkeys."""

from __future__ import annotations

import datetime
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources

from patchkit.jobs.verify.new_entry import RECORDS, NewEntry
from patchkit.printable import header_value
from patchkit.source.openpgp.gnupg import KeyPart, KeyRing
from patchkit.source.openpgp.judgement import GOOD, Judgement

_PATH = "patchkit/releases/keys.toml"
_FOLDER = "patchkit/releases/keys"


def key_entries(
    signed: Sequence[tuple[str, str, Judgement | None]], ring: KeyRing, records: Mapping[str, str]
) -> Iterator[NewEntry]:
    """Yield the entries for the keys of ``signed``: release, what was signed, and the judgement on its signature.

    A subkey of a key that is pinned is bound to it by that key's own signature, which gpg has checked. A key that is
    not pinned needs two of ``records``, lower-case texts by their names, that state its fingerprint.
    """
    table = tomllib.loads((resources.files("patchkit.releases") / "keys.toml").read_text("utf-8"))
    pinned = {key["fingerprint"]: {part["fingerprint"] for part in key.get("subkey", ())} for key in table["key"]}
    done: set[str] = set()
    for release, what, judgement in signed:
        if judgement is None or judgement.worth not in GOOD or judgement.key in done:
            continue
        done.add(judgement.key)
        part, primary = ring.parts.get(judgement.key), ring.parts.get(judgement.primary)
        if part is None or primary is None:
            continue
        if judgement.primary not in pinned:
            parts = [other for other in ring.parts.values() if other.primary == primary.fingerprint and other.signs]
            yield from _of_key(release, what, primary, parts, ring, records)
        elif part.fingerprint != primary.fingerprint and part.fingerprint not in pinned[primary.fingerprint]:
            yield from of_subkey(release, what, primary, part, ring)


def _of_key(
    release: str, what: str, primary: KeyPart, parts: Sequence[KeyPart], ring: KeyRing, records: Mapping[str, str]
) -> Iterator[NewEntry]:
    stated = [name for name, text in records.items() if primary.fingerprint.lower() in re.sub(r"[\s:]", "", text)]
    has = f"only {', '.join(stated)} states" if stated else "nothing states"
    missing = [f"{has} its fingerprint, {RECORDS} public records are needed: --record NAME=FILE"]
    missing = missing if len(stated) < RECORDS else []
    checked = [f"the {what} of {release} has a good signature by it"]
    checked += [f"its fingerprint is stated by {', '.join(stated)}"] if stated else []
    lines = [
        "[[key]]", f'fingerprint = "{primary.fingerprint}"', f"name = {json.dumps(header_value(primary.name))}",
        f'signs = "{what}s since {release}"', f"records = {json.dumps(stated)}", *_validity(primary),
    ]  # fmt: skip
    for part in sorted(parts, key=lambda part: part.created):
        if part.fingerprint != primary.fingerprint:
            lines += _subkey(part)
    entry = "\n".join(lines) + "\n"
    yield NewEntry(
        release, "key", f"{primary.fingerprint} ({header_value(primary.name)})", _PATH,
        lambda text: _before_missing(text, entry), checked, missing,
    )  # fmt: skip
    yield _file(release, primary, ring, checked, missing)


def of_subkey(release: str, what: str, primary: KeyPart, part: KeyPart, ring: KeyRing) -> Iterator[NewEntry]:
    """Yield the entries for ``part``, a subkey of the pinned ``primary``, which signs the ``what`` of ``release``."""
    checked = [
        f"the {what} of {release} has a good signature by it",
        f"the key {primary.fingerprint}, which is pinned, has signed it as its subkey",
    ]
    entry = "\n".join(_subkey(part)) + "\n"
    yield NewEntry(
        release, "subkey", f"{part.fingerprint} of {primary.fingerprint}", _PATH,
        lambda text: _behind_key(text, primary.fingerprint, entry), checked, [],
    )  # fmt: skip
    yield _file(release, primary, ring, checked, [])


def _file(release: str, primary: KeyPart, ring: KeyRing, checked: Sequence[str], missing: Sequence[str]) -> NewEntry:
    armour = ring.export(primary.fingerprint).decode("ascii")
    path = f"{_FOLDER}/{primary.fingerprint}.asc"
    return NewEntry(release, "key file", primary.fingerprint, path, lambda _: armour, checked, missing)


def _subkey(part: KeyPart) -> list[str]:
    return ["[[key.subkey]]", f'fingerprint = "{part.fingerprint}"', *_validity(part)]


def _validity(part: KeyPart) -> list[str]:
    return [f"created = {_day(part.created)}"] + ([f"expires = {_day(part.expires)}"] if part.expires else [])


def _day(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()


def _before_missing(text: str, entry: str) -> str:
    """Put a key behind the last one, and in front of what is known to be missing."""
    at = text.find("\n[[missing]]\n") + 1  # not the word in the comment at the top
    return f"{text[:at]}{entry}\n{text[at:]}" if at else f"{text.rstrip()}\n\n{entry}"


def _behind_key(text: str, fingerprint: str, entry: str) -> str:
    """Put a subkey at the end of its key's entry."""
    start = text.index(f'fingerprint = "{fingerprint}"')
    end = text.find("\n\n", start)
    return f"{text.rstrip()}\n{entry}" if end < 0 else f"{text[: end + 1]}{entry}{text[end + 1 :]}"

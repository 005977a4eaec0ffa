"""Entries of ``releases.toml`` and ``tarballs.toml``, as text at the place where they belong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from patchkit.releases.catalog import TagPin, TarballPin
from patchkit.releases.version import Version

_RELEASE = re.compile(r'^\[\[release\]\]\ntag = "(.*)"\ndate = "(.*)"$', re.MULTILINE)
_TARBALL = re.compile(r'^\["(.*)"\]$', re.MULTILINE)


def with_tag(text: str, pin: TagPin) -> str:
    """Add ``pin`` to ``text``, the contents of releases.toml, which are in the order of dates and names."""
    blobs = "".join(f'"{path}" = "{blob}"\n' for path, blob in sorted(pin.blobs.items()))
    entry = (
        f'[[release]]\ntag = "{pin.name}"\ndate = "{pin.date}"\ncommit = "{pin.commit}"\ntree = "{pin.tree}"\n'
        f"[release.blobs]\n{blobs}"
    )
    return _inserted(text, entry, _RELEASE, lambda match: (match[2], match[1]) > (pin.date, pin.name))


def with_tarball(text: str, version: Version, pin: TarballPin) -> str:
    """Add ``pin`` of ``version`` to ``text``, the contents of tarballs.toml, which are in the order of versions."""
    fields = {"name": pin.name, "sha256": pin.sha256, "size": pin.size, "debian": pin.debian}
    # JSON's numbers, strings and lists of strings are TOML's too.
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in fields.items() if value is not None]
    entry = f'["{version.text}"]\n{"".join(lines)}records = {json.dumps(list(pin.records))}\n'
    return _inserted(text, entry, _TARBALL, lambda match: Version.parse(match[1]) > version)


def _inserted(text: str, entry: str, head: re.Pattern[str], is_later: Callable[[re.Match[str]], bool]) -> str:
    """Insert ``entry`` before the first entry in ``text`` that is later, with an empty line between any two."""
    later = next((match for match in head.finditer(text) if is_later(match)), None)
    if later is None:
        return f"{text.rstrip()}\n\n{entry}"
    gap = text.rfind("\n\n", 0, later.start())  # a comment may stand above it
    start = gap + 2 if gap >= 0 else 0
    return f"{text[:start]}{entry}\n{text[start:]}"

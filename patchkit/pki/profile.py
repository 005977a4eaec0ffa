"""Profiles of credentials, by name: ``leaf-KIND``, or ``chain-N`` and ``chain-N-ec``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, get_args

from patchkit.errors import ScenarioError

Kind = Literal["rsa2048", "rsa4096", "ec"]

BUILT_IN = ("leaf-rsa2048", "leaf-rsa4096", "leaf-ec", "chain-3", "chain-8", "chain-8-ec")
"""Profiles whose files are pinned by the tests; the others work, too."""

LONGEST = 14
"""Intermediates. OpenVPN refuses a certificate at depth 16 (MAX_CERT_DEPTH in ssl_verify.h, in ssl.c up to 2.2):
the leaf's depth is 0, the CA's is one more than there are intermediates."""

_LEAVES: dict[str, Kind] = {f"leaf-{kind}": kind for kind in get_args(Kind)}
_CHAIN = re.compile(r"chain-([1-9][0-9]?)(-ec)?")


@dataclass(frozen=True)
class Profile:
    """The kind of all keys, and how many CAs stand between the root and the leaves."""

    name: str
    kind: Kind
    intermediates: int


def profile(name: str) -> Profile:
    """Return the profile ``name``. Raises ScenarioError when there is no such profile."""
    if name in _LEAVES:
        return Profile(name, _LEAVES[name], 0)
    chain = _CHAIN.fullmatch(name)
    if chain is not None and int(chain[1]) <= LONGEST:
        return Profile(name, "ec" if chain[2] else "rsa2048", int(chain[1]))
    close = get_close_matches(name, [*BUILT_IN, f"chain-{LONGEST}"], n=1, cutoff=0.4)
    raise ScenarioError(
        f"no credentials {name}",
        why=f"there are {', '.join(_LEAVES)}, and chain-N and chain-N-ec with N from 1 to {LONGEST}",
        advice=f"perhaps you meant {close[0]}" if close else "",
    )

"""Give a server that a test starts an address of its own.

A port that the kernel names as free belongs to nobody until the server binds it: of two tests that ask at the same
moment, both may be given the same one. All of 127.0.0.0/8 is this machine, and there an address is its test's alone.
"""

from __future__ import annotations

import secrets

Address = tuple[str, int]
"""An IPv4 address and a port."""
PORT = 1194
"""Below those that the kernel gives to clients, of which some are bound on every address."""


def own_address() -> str:
    """Return an address of this machine at which no other test listens."""
    return f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"

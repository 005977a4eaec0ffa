"""Give a server that a test starts an address of its own.

A port that the kernel names as free belongs to nobody until the server binds it: of two tests that ask at the same
moment, both may be given the same one. All addresses in 127.0.0.0/8 are this machine's.
"""

from __future__ import annotations

import secrets

Address = tuple[str, int]
"""An IPv4 address and a port."""
PORT = 20194
"""Below those that the kernel gives to clients, of which some are bound on every address; and no service's."""
PORT_OF_WINE = PORT + 1
"""wine binds a UDP socket on every address, whichever it was told."""


def own_address() -> str:
    """Return a random address of this machine: that two tests draw the same one is a chance of 1 in 16 million."""
    return f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"

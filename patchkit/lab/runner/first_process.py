"""What the first process of a guest does, whichever machine the guest is."""

from __future__ import annotations

import fcntl
import os

from . import network
from .process import run

_RNDRESEEDCRNG = 0x5207  # linux/random.h


class ForeignProgramError(Exception):
    """A peer's program does not start in the guest."""


def reseed(seed: int) -> None:
    """Begin the kernel's random numbers anew. It mixes in the moment of asking: let that be the same for each trial."""
    with open("/dev/urandom", "r+b", buffering=0) as random:  # noqa: PTH123 - pathlib would be compiled at every boot
        random.write(b"patchkit %d" % seed)
        fcntl.ioctl(random, _RNDRESEEDCRNG)


def check_peers() -> None:
    """Run both peers' programs once. Raises ForeignProgramError for one that does not start."""
    for side in (network.CLIENT, network.SERVER):
        try:
            printed = run([os.path.abspath(f"peers/{side}"), "--version"])[1]  # noqa: PTH100
        except OSError as error:  # no program at all, or one whose loader the guest lacks
            printed = str(error)
        if not printed.startswith("OpenVPN"):
            raise ForeignProgramError(f"the {side}'s program does not start in the guest: {printed.strip()}")

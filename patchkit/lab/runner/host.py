"""The runner on a host, as root: three namespaces of its own, the trials, and an answer in a file.

python3 -m runner.host ORDER ANSWER
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import network
from .process import OPENSSL_IA32CAP
from .task import LAST, kind, perform


def _trials(order: dict[str, Any], namespaces: Mapping[str, int]) -> Iterator[bytes]:
    experimenting = kind(order)
    for number, wish in enumerate(order["wishes"]):
        yield perform(order, number, namespaces, order["wishes"].__getitem__, experimenting)
        if wish & LAST:
            return


def main() -> None:
    """In the folder that holds ``peers`` and ``credentials``."""
    # A peer that dies leaves no core where the user did not expect one.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ.update(OPENSSL_ia32cap=OPENSSL_IA32CAP)
    order_file, answer_file = map(Path, sys.argv[1:3])
    order = json.loads(order_file.read_bytes())
    answer_file.write_bytes(b"".join(_trials(order, network.build())))


if __name__ == "__main__":
    main()

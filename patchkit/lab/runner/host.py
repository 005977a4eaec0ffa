"""The runner on a host, as root: three namespaces of its own, one trial, and an answer in a file.

    python3 -m runner.host ORDER ANSWER

first makes the namespaces, then goes on inside the router's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import network
from .task import LAST, kinds, perform


def _trials(order: dict[str, Any]) -> Iterator[bytes]:
    asked = kinds(order)
    for number, wish in enumerate(order["wishes"]):
        yield perform(order, number, order["prefix"], order["wishes"].__getitem__, *asked)
        if wish & LAST:
            return


def main() -> int:
    """In the folder that holds ``peers`` and ``credentials``."""
    order_file, answer_file = map(Path, sys.argv[1:3])
    order = json.loads(order_file.read_bytes())
    prefix = order["prefix"]
    if "inside" in sys.argv:
        answer_file.write_bytes(b"".join(_trials(order)))
        return 0
    try:
        network.build(prefix)
        again = [sys.executable, "-m", "runner.host", *sys.argv[1:3], "inside"]
        return subprocess.run(network.inside(prefix, network.ROUTER, again), check=False, env=os.environ).returncode
    finally:
        network.tear_down(prefix)


if __name__ == "__main__":
    sys.exit(main())

"""The runner as the first process of User-Mode Linux: one trial, and the machine is gone.

Whatever it does is the same for each trial of a cell, apart from what follows from the trial's seed. What is kept of
the trial is decided outside.
"""

from __future__ import annotations

import os
import sys
import termios

from . import answer, network, plain_json
from .first_process import ForeignProgramError, check_peers, reseed
from .process import OPENSSL_IA32CAP
from .task import FRAMES, LOGS, kind, perform

_ANSWER = "/dev/ttyS0"
_CHUNK = 4096  # bytes that a terminal takes at once
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"


def main() -> None:
    """Run the order, and answer."""
    os.environ.update(PATH=_PATH, LC_ALL="C", OPENSSL_ia32cap=OPENSSL_IA32CAP)
    os.chdir("/lab")
    try:
        data = _perform()
    except ForeignProgramError as error:
        data = answer.packed({"complaint": str(error)}, {})
    except BaseException:  # noqa: BLE001 - the console is the only one who would hear of it
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        data = b""
    answer_with(data)


def answer_with(data: bytes) -> None:
    """Hand ``data`` to the host, and switch the machine off."""
    output = _raw(_ANSWER)
    view = memoryview(data)
    while view:
        view = view[os.write(output, view[:_CHUNK]) :]
    os.execv("/lab/poweroff", ["poweroff"])  # patchkit/lab/guest/uml_image.py makes it


def _perform() -> bytes:
    with open("order") as file:  # noqa: PTH123 - pathlib would be compiled at every boot
        order = plain_json.loads(file.read())
    if not order.get("turns"):
        if "turns" in order:
            check_peers()
        return answer.packed({}, {})
    namespaces = network.build()
    experimenting = kind(order)
    reseed(order["turns"][0]["seed"])
    return perform(order, 0, namespaces, lambda _: LOGS | FRAMES, experimenting)


def _raw(path: str) -> int:
    """Open a serial line that changes no byte."""
    line = os.open(path, os.O_WRONLY | os.O_NOCTTY)
    settings = termios.tcgetattr(line)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(line, termios.TCSANOW, settings)
    return line

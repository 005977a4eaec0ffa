"""A build in a process of its own, for a worker of a cluster: ``python -m patchkit.jobs.build.in_child``.

The first line of standard input is the request; the outcome comes on standard output. When standard input ends, the
worker is gone, and the build ends as on ^C.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from dataclasses import replace

from patchkit import limits, signals
from patchkit.context import Context
from patchkit.jobs.build.crew import outcome_of
from patchkit.jobs.build.unit import outcome_document, read_request
from patchkit.ui import Ui


def main() -> None:
    """Build what standard input asks for."""
    signals.install()
    request = read_request(_line())
    threading.Thread(target=_watch, daemon=True).start()
    if request.settings.timeout is not None:
        os.environ[limits.BUILD] = str(request.settings.timeout)
    context = replace(Context.default(), ui=Ui(io.StringIO()))
    try:
        built = outcome_of(request, context)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.stdout.buffer.write(outcome_document(built))
    sys.stdout.buffer.flush()


# Without Python's buffer of standard input: a thread that waits in it makes Python abort at its end.
def _line() -> bytes:
    line = b""
    while not line.endswith(b"\n") and (data := os.read(0, 1 << 16)):
        line += data
    return line


def _watch() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()

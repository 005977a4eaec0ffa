"""Interrupt patchkit while a compiler is at work, as an impatient user does."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path


def interrupted(command: Sequence[str], number: int, temporary: Path) -> int:
    """Run until the compiler's first line, send the signal twice, check how it ends; the process id it had.

    ``command`` must say --verbose; its temporary files go to ``temporary``.
    """
    with subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(temporary)}, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if "-DHAVE_CONFIG_H" in line:  # the compiler is at work
                break
        process.send_signal(number)
        time.sleep(0.1)
        process.send_signal(number)  # people are impatient: the second one must not stop the tidying up
        rest = process.stderr.read()
        assert process.wait(timeout=60) == 130
    assert "interrupted" in rest
    assert "Traceback" not in rest
    return process.pid

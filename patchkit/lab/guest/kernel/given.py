"""A kernel of the user's own: ``PATCHKIT_UML`` names the program."""

from __future__ import annotations

import os
import re
import subprocess
from hashlib import sha256
from pathlib import Path

from patchkit.errors import GuestError
from patchkit.lab.guest.kernel import changes, configuration
from patchkit.storage import expanded, reading

VARIABLE = "PATCHKIT_UML"
_PATIENCE = 20.0  # seconds; a kernel of UML answers at once
_RELEASE = re.compile(r"\d+\.\d+\S*")
_ADVICE = f"unset {VARIABLE}: patchkit makes a kernel of its own"


def given_program() -> Path | None:
    """Return the program that ``PATCHKIT_UML`` names; None where it names none."""
    named = os.environ.get(VARIABLE)
    return expanded(named).absolute() if named else None


def described(program: Path) -> tuple[str, str, int]:
    """Ask ``program`` what it is: its release, a short hash of its configuration, and the time of a system call in ns.

    The time is 0 where the program lacks patchkit's changes. Raises GuestError where it is not a kernel of UML with all
    that the lab needs; StorageError where it can't be read.
    """
    release = _answer(program, "--version").strip()
    configured = _answer(program, "--showconfig")
    if not _RELEASE.fullmatch(release) or "CONFIG_UML=y" not in configured.splitlines():
        raise GuestError(
            f"{program} is not a kernel of User-Mode Linux",
            why="it does not answer --version and --showconfig as one",
            advice=_ADVICE,
        )
    configuration.refuse_other(configuration.needed(), configured, str(program), _ADVICE)
    with reading(program):
        mark = re.search(re.escape(changes.MARK.encode()) + rb"(\d{1,9})\b", program.read_bytes())
    digest = sha256(repr(sorted(configuration.values(configured).items())).encode()).hexdigest()
    return f"{release} ({VARIABLE})", digest[:12], int(mark[1]) if mark else 0


def _answer(program: Path, option: str) -> str:
    try:
        done = subprocess.run(
            [str(program), option], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            check=False, timeout=_PATIENCE,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        why = error.strerror if isinstance(error, OSError) else f"it did not answer {option} within {_PATIENCE:g} s"
        raise GuestError(
            f"{program} can't be used as the lab's kernel", why=why or str(error), advice=_ADVICE
        ) from error
    return done.stdout

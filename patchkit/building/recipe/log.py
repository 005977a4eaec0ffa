"""The log of one build: everything the tools print, in a file that is named when one of them fails."""

from __future__ import annotations

import re
import shlex
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TextIO

from patchkit.building.engine.protocol import Workspace
from patchkit.building.recipe.known_failures import recognised
from patchkit.errors import CompileError, DiskFullError
from patchkit.storage import writing
from patchkit.ui import Ui

_SHOWN = 15  # lines of the log in an error
_FROM_ERROR = 5  # of these, from a compiler's first error on, where others have printed more meanwhile
_ERROR = re.compile(r":\d+(:\d+)?: (fatal )?error: ")


class BuildLog:
    """Runs commands, and writes their output to a file."""

    def __init__(self, path: Path, file: TextIO, ui: Ui) -> None:
        self.path = path
        self._file = file
        self._ui = ui
        self.is_named = False
        """True once an error has named this log to the user."""

    def run(
        self,
        workspace: Workspace,
        command: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        seen: Callable[[str], None] | None = None,
    ) -> list[str]:
        """Run ``command`` in ``workspace``, and return its last lines.

        ``seen``, where given, is called with each line, and shows the progress in place of the last line.
        Raises CompileError with the last lines where it fails, DiskFullError, and the engine's errors.
        """
        tail: deque[str] = deque(maxlen=400)
        shown = shlex.join(command)
        self._write(f"$ {shown}")
        with nullcontext(seen) if seen is not None else self._ui.log(shown[:40]) as show:

            def line(text: str) -> None:
                tail.append(text)
                self._write(text)
                show(text)

            code = workspace.run(command, cwd=cwd, env=env, line=line)
        if code != 0:
            self._file.flush()
            raise self._failure(shown, code, list(tail))
        return list(tail)

    def _write(self, text: str) -> None:
        with writing(self.path):
            self._file.write(text + "\n")

    def _failure(self, command: str, code: int, tail: list[str]) -> CompileError | DiskFullError:
        why = "\n".join(_quoted(tail))
        if any("No space left on device" in line for line in tail):
            return DiskFullError("the disk is full during a build", why=why, advice="free some space, or set TMPDIR")
        short = command if len(command) <= 60 else command[:57] + "…"
        self.is_named = True
        known = recognised(tail)
        return CompileError(
            f"{short} failed with exit code {code}",
            why="\n".join([why, *([known.means] if known else []), f"whole log: {self.path}"]),
            advice=known.helps if known else f"less {self.path}",
        )


def _quoted(tail: list[str]) -> list[str]:
    """Return the lines that show what failed. make -j goes on with other files behind the one that does not compile."""
    first = next((number for number, line in enumerate(tail) if _ERROR.search(line)), len(tail))
    if first >= len(tail) - _SHOWN:
        return tail[-_SHOWN:]
    return [*tail[first : first + _FROM_ERROR], "…", *tail[_FROM_ERROR - _SHOWN :]]


@contextmanager
def build_log(path: Path, ui: Ui) -> Iterator[BuildLog]:
    """Open a log at ``path``, and remove it afterwards unless an error failed the build or named the log.

    An interrupt removes it, too. Raises DiskFullError or StorageError.
    """
    with writing(path):
        file = path.open("w", encoding="utf-8")
    with file:
        log = BuildLog(path, file, ui)
        try:
            yield log
        except KeyboardInterrupt:
            path.unlink(missing_ok=True)
            raise
    if not log.is_named:
        path.unlink(missing_ok=True)

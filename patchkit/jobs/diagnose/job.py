"""Diagnose the logs of a request, and write what it asks for besides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from patchkit.context import Context
from patchkit.diagnosis.diagnose import Diagnosis, diagnose
from patchkit.diagnosis.input.files import STDIN, LogFile
from patchkit.errors import BadUsageError
from patchkit.jobs.diagnose.anonymize import anonymize, anonymized
from patchkit.jobs.diagnose.page import html
from patchkit.storage import check_writable, replace_all


@dataclass(frozen=True, kw_only=True)
class DiagnoseRequest:
    """What a user asks ``patchkit diagnose`` for."""

    logs: Sequence[str]
    """Files; ``-`` is standard input."""
    html: Path | None = None
    anonymize: Path | None = None
    """A file, or for several logs a folder."""

    def validate(self) -> None:
        """Raise BadUsageError where the request cannot be met, StorageError where it cannot be written."""
        if self.logs.count(STDIN) > 1:
            raise BadUsageError("standard input can be read once only")
        if self.anonymize is not None and STDIN in self.logs:
            raise BadUsageError(
                "--anonymize reads a log twice: it needs a file", advice="write the log into a file first"
            )
        if self.anonymize is not None and len({Path(log).name for log in self.logs}) < len(self.logs):
            raise BadUsageError("--anonymize needs logs of different names")
        taken = [Path(log) for log in self.logs if log != STDIN]
        for path, option in self._outputs():
            if any(_is_same(path, other) for other in taken):
                raise BadUsageError(
                    f"{option} would overwrite {path}, which this command reads or writes otherwise",
                    advice="name another file",
                )
            taken.append(path)
        for folder, option in ((self.html, "--html"), (self.anonymize, "--anonymize")):
            if folder is not None:
                check_writable(folder.absolute().parent, option)

    def _outputs(self) -> Iterator[tuple[Path, str]]:
        if self.html is not None:
            yield self.html, "--html"
        if self.anonymize is not None:
            for log in self.logs:
                yield anonymized(Path(log), self.anonymize, len(self.logs)), "--anonymize"

    @property
    def different(self) -> list[str]:
        """The logs; what was named twice is there once."""
        different: list[str] = []
        for log in self.logs:
            if log == STDIN or not any(_is_same(Path(log), Path(other)) for other in different if other != STDIN):
                different.append(log)
        return different


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return one.absolute() == other.absolute()


def run(request: DiagnoseRequest, context: Context) -> Diagnosis:
    """Diagnose the logs of ``request``, and write its page and its anonymised logs.

    Raises what ``validate`` and ``diagnose`` raise, and DiskFullError.
    """
    request.validate()
    files = [LogFile(log, None if log == STDIN else Path(log)) for log in request.different]
    sizes = [file.size for file in files]
    total = sum(size or 0 for size in sizes) if None not in sizes else None
    with context.ui.bar("read", total) as advance:
        for file in files:
            file.advance = advance
        diagnosis = diagnose(files)
    for damage in diagnosis.damaged:
        context.ui.warn(f"the end of a log could not be read: {damage}")
    if request.html is not None:
        replace_all({request.html: html(diagnosis).encode("utf-8", "replace")})
    if request.anonymize is not None:
        anonymize([Path(log) for log in request.logs], request.anonymize)
    return diagnosis

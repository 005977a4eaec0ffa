"""The only place that draws on a terminal. Talk goes to stderr; data is the command's own business.

On a terminal: progress bars and a live line. In a pipe, in CI, with NO_COLOR or TERM=dumb: plain lines.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

_SILENCE_BETWEEN_PLAIN_LINES = 5.0  # seconds; a CI log wants a sign of life, not a bar


class Ui:
    """What a job says while it works. ``quiet`` leaves only warnings and errors."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False, verbose: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._verbose = verbose
        self._live = self._stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")
        self._colour = self._live and not os.environ.get("NO_COLOR")
        self._warned: dict[str, None] = {}

    def step(self, text: str) -> None:
        """A stage of the job begins."""
        if not self._quiet:
            self._line(self._paint("1;34", "==>") + " " + text)

    def note(self, text: str) -> None:
        """Something worth knowing inside a stage."""
        if not self._quiet:
            self._line("    " + text)

    def warn(self, text: str) -> None:
        """Something that may surprise later; each text is said once a run."""
        if text not in self._warned:
            self._warned[text] = None
            self._line(self._paint("1;33", "warning:") + " " + text)

    @property
    def warnings(self) -> list[str]:
        """All that was warned of so far."""
        return list(self._warned)

    def error(self, what: str, why: str, advice: str) -> None:
        """The last words of a run that failed."""
        self._line(self._paint("1;31", "error:") + " " + what)
        for line in why.splitlines():
            self._line("    " + line)
        if advice:
            self._line(self._paint("1;32", "try:") + " " + advice)

    @contextmanager
    def bar(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Progress in bytes: yields a function that is told how many more have arrived."""
        if self._quiet:
            yield lambda _: None
        elif self._live:
            from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn

            columns = (TextColumn("    {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            with self._rich_bar(label, total, columns) as advance:
                yield advance
        else:
            yield self._plain_bar(label, total, " bytes")

    @contextmanager
    def count(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """Progress in things: yields a function that is told how many more are done."""
        if self._quiet:
            yield lambda _: None
        elif self._live:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

            columns = (TextColumn("    {task.description}"), BarColumn(), MofNCompleteColumn())
            with self._rich_bar(label, total, columns) as advance:
                yield advance
        else:
            yield self._plain_bar(label, total, "")

    @contextmanager
    def log(self, label: str) -> Iterator[Callable[[str], None]]:
        """A tool's output, line by line: shown whole when verbose, else as one live line."""
        if self._verbose:
            yield self._line
        elif self._live and not self._quiet:
            from rich.console import Console

            console = Console(file=self._stream, no_color=not self._colour)
            room = max(0, console.width - len(label) - 6)  # one line: the spinner, the label and what fits
            with console.status(_escape(label)) as status:
                yield lambda line: status.update(f"{_escape(label)}  [dim]{_escape(line[:room])}[/dim]")
        else:
            yield lambda _: None

    def _line(self, text: str) -> None:
        try:
            print(text, file=self._stream, flush=True)
        except BrokenPipeError:
            # Whoever listened has gone (2>&1 | head): the work goes on all the same.
            _to_nobody(self._stream)

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text

    @contextmanager
    def _rich_bar(
        self, label: str, total: int | None, columns: Sequence[ProgressColumn]
    ) -> Iterator[Callable[[int], None]]:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(file=self._stream, no_color=not self._colour)
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(label, total=total)
            yield lambda count: progress.advance(task, count)

    def _plain_bar(self, label: str, total: int | None, unit: str) -> Callable[[int], None]:
        done, spoke = 0, time.monotonic()

        def advance(count: int) -> None:
            nonlocal done, spoke
            done += count
            if time.monotonic() - spoke >= _SILENCE_BETWEEN_PLAIN_LINES:
                spoke = time.monotonic()
                self._line(f"    {label}: {done}{unit}" + (f" of {total}" if total else ""))

        return advance


def data(text: str) -> None:
    """Data on stdout, as it is. A reader that has gone away (| head) had enough: that is its right, and no error."""
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _to_nobody(sys.stdout)


def _to_nobody(stream: TextIO) -> None:
    """Point a stream whose reader has gone at nothing; or Python would fail over it once more when it ends."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


@dataclass(frozen=True)
class Painted:
    """A table's cell with a colour, in rich's words (``bold red``), for terminals."""

    text: str
    colour: str

    def __str__(self) -> str:
        return self.text


def table(headings: Sequence[str], rows: Sequence[Sequence[str | Painted]]) -> None:
    """A table on stdout: ruled on a terminal, aligned columns with two blanks between them in a pipe."""
    if sys.stdout.isatty():
        from rich import box
        from rich.console import Console
        from rich.table import Table

        ruled = Table(box=box.SIMPLE_HEAD)
        for heading in headings:
            ruled.add_column(heading, overflow="fold")  # half a hash is no hash
        for row in rows:
            ruled.add_row(
                *(
                    f"[{cell.colour}]{_escape(cell.text)}[/]" if isinstance(cell, Painted) else _escape(cell)
                    for cell in row
                )
            )
        Console(no_color=bool(os.environ.get("NO_COLOR"))).print(ruled)
        return
    lines = [list(headings), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    rows_out = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    data("".join(f"{row.rstrip()}\n" for row in rows_out))


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)

"""Messages and progress on stderr, and, from ``tables``, data on stdout: nothing else writes on a terminal.

On a terminal: progress bars and a live line, with NO_COLOR without colours. In a pipe, in CI, with TERM=dumb: plain
lines.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from patchkit.encoding import is_unicode
from patchkit.printable import printable
from patchkit.streams import to_nobody
from patchkit.tables import Painted, console, data, escaped, prose, table

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

__all__ = ["Painted", "Ui", "data", "prose", "table"]

_SILENCE_BETWEEN_PLAIN_LINES = 5.0  # seconds; a CI log needs a sign of life, not a bar


class Ui:
    """The messages of a job. ``quiet`` leaves only warnings and errors; ``verbose`` prints the output of tools."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False, verbose: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._verbose = verbose
        self._live = self._stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")
        self._colour = self._live and not os.environ.get("NO_COLOR")
        self._warned: dict[str, None] = {}

    def step(self, text: str) -> None:
        """Print ``text`` as the beginning of a stage."""
        if not self._quiet:
            self._line(text, "==>", "1;34")

    def note(self, text: str) -> None:
        """Print ``text`` as a detail of a stage."""
        if not self._quiet:
            self._line("    " + text)

    def warn(self, text: str) -> None:
        """Print ``text`` as a warning; each text once a run."""
        if text not in self._warned:
            self._warned[text] = None
            self._line(text, "warning:", "1;33")

    @property
    def warnings(self) -> list[str]:
        """All warnings so far."""
        return list(self._warned)

    def error(self, what: str, why: str, advice: str) -> None:
        """Print an error: ``what`` happened, ``why`` (several lines, or none) and ``advice`` (if any)."""
        self._line(what, "error:", "1;31")
        for line in filter(None, why.split("\n")):
            self._line("    " + line)
        if advice:
            self._line(advice, "try:", "1;32")

    def ask(self, question: str) -> str:
        """Print ``question`` and return the line that is typed; empty where stdin is at its end."""
        self._line(question, end=" ")
        return sys.stdin.readline().strip()

    @contextmanager
    def bar(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Show progress in bytes: yields a function to call with the number of bytes that have come."""
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
        """Show progress in things: yields a function to call with the number of things that have been done."""
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
    def tally(self, label: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """Show progress as :meth:`count` does: the function that is yielded also takes a few words on the progress."""
        if self._quiet:
            yield lambda _, __: None
        elif self._live:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("    {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                TextColumn("{task.fields[words]}", markup=False),
            )  # fmt: skip
            with Progress(*columns, console=console(self._stream), transient=True) as progress:
                task = progress.add_task(escaped(label), total=total, words="")
                yield lambda count, words: progress.update(task, advance=count, words=printable(words))
        else:
            words_now = ""
            plain = self._plain_bar(label, total, "", lambda: words_now)

            def advance(count: int, words: str) -> None:
                nonlocal words_now
                words_now = f"  {words}"
                plain(count)

            yield advance

    @contextmanager
    def log(self, label: str) -> Iterator[Callable[[str], None]]:
        """Show a tool's output: yields a function to call with each line. Whole when verbose, else one live line."""
        if self._verbose:
            yield lambda line: self._line(line)  # noqa: PLW0108 - not with its label or end
        elif self._live and not self._quiet:
            terminal = console(self._stream)
            room = max(0, terminal.width - len(label) - 6)  # one line: the spinner, the label and what fits
            spinner = "dots" if is_unicode(self._stream) else "line"
            with terminal.status(escaped(label), spinner=spinner) as status:
                yield lambda line: status.update(f"{escaped(label)}  [dim]{escaped(line[:room])}[/dim]")
        else:
            yield lambda _: None

    def _line(self, text: str, label: str = "", colour: str = "", *, end: str = "\n") -> None:
        """Print ``text``: nothing else here writes on stderr but rich's bars, whose texts are ``escaped``."""
        start = f"{self._paint(colour, label)} " if label else ""
        # No line of the text can pass for a message of its own.
        lines = printable(text).replace("\n", "\n    ")
        try:
            print(f"{start}{lines}", file=self._stream, end=end, flush=True)
        except OSError:
            # The reader has gone (2>&1 | head), or the disk is full: the work goes on all the same.
            to_nobody(self._stream)

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text

    @contextmanager
    def _rich_bar(
        self, label: str, total: int | None, columns: Sequence[ProgressColumn]
    ) -> Iterator[Callable[[int], None]]:
        from rich.progress import Progress

        with Progress(*columns, console=console(self._stream), transient=True) as progress:
            task = progress.add_task(escaped(label), total=total)
            yield lambda count: progress.advance(task, count)

    def _plain_bar(
        self, label: str, total: int | None, unit: str, words: Callable[[], str] = str
    ) -> Callable[[int], None]:
        done, printed = 0, time.monotonic()

        def advance(count: int) -> None:
            nonlocal done, printed
            done += count
            if time.monotonic() - printed >= _SILENCE_BETWEEN_PLAIN_LINES:
                printed = time.monotonic()
                self._line(f"    {label}: {done}{unit}" + (f" of {total}" if total else "") + words())

        return advance

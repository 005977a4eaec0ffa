"""Data on stdout: text as it is, and tables that fit the terminal.

Rich draws the tables on terminals. What is written into a pipe is aligned here, so that no script waits for rich.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from patchkit import streams
from patchkit.encoding import is_unicode
from patchkit.printable import in_one_line, visible, without_passwords

if TYPE_CHECKING:
    from rich.console import Console

_BETWEEN = 3  # columns that rich puts between two of a table's
_PLAIN_RULE = "    \n    \n -- \n    \n    \n    \n    \n    \n"  # rich's SIMPLE_HEAD in ASCII
_INDENT = 4
_DUMB = ("dumb", "unknown")
_READABLE = 12  # columns; the least room for text that is wrapped


def data(text: str) -> None:
    """Write ``text`` to stdout, whole: as it is, and on a terminal with control characters visible.

    A reader that has ended (| head) is not an error. Raises DiskFullError where stdout takes no more.
    """
    streams.write(visible(text) if sys.stdout.isatty() else text)


def prose(text: str) -> None:
    """Write ``text``, paragraphs, to stdout: as it is, or wrapped on a terminal that is too narrow for it.

    Raises DiskFullError as :func:`data` does.
    """
    if sys.stdout.isatty() and max(map(len, text.splitlines()), default=0) > (width := console(sys.stdout).width):
        text = "\n\n".join(textwrap.fill(part, width, break_long_words=False) for part in text.split("\n\n")) + "\n"
    data(text)


@dataclass(frozen=True)
class Painted:
    """The text of a table's cell with a colour for terminals, in rich's words (``bold red``)."""

    text: str
    colour: str

    def __str__(self) -> str:
        return self.text


TableRow = Sequence[str | Painted]


def table(headings: Sequence[str], rows: Sequence[TableRow]) -> None:
    """Write ``rows`` under ``headings`` to stdout: into a pipe as aligned columns with two blanks between them.

    On a terminal the table has rules; when its words do not fit side by side, each row becomes a list, so that no hash
    is broken. Control characters are visible, and passwords hidden. Raises DiskFullError as :func:`data` does.
    """
    rows = [[_cell(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        _aligned(headings, rows)
        return
    terminal = console(sys.stdout)
    with terminal.capture() as drawn:
        if _narrowest(headings, rows) > terminal.width:
            _records(headings, rows, terminal)
        else:
            _ruled(headings, rows, terminal)
    streams.write(drawn.get())


def console(stream: TextIO) -> Console:
    """Make rich's console for ``stream``; without colours when NO_COLOR is set."""
    from rich.console import Console

    colours = None if os.environ.get("NO_COLOR") else "auto"
    if stream.isatty() and os.environ.get("TERM", "dumb") in _DUMB:
        # rich takes every dumb terminal for 80 columns wide, unless it is told both sizes; one may be unknown, 0.
        size = os.get_terminal_size(stream.fileno())
        return Console(
            file=stream, color_system=None, highlight=False, width=size.columns or 80, height=size.lines or 25
        )
    return Console(file=stream, color_system=colours, highlight=False)  # type: ignore[arg-type]


def escaped(text: str) -> str:
    """Escape ``text`` for rich: no markup in it, no control characters, no passwords."""
    from rich.markup import escape

    return escape(in_one_line(without_passwords(text)))


def _cell(cell: str | Painted) -> str | Painted:
    text = in_one_line(without_passwords(str(cell)))
    return Painted(text, cell.colour) if isinstance(cell, Painted) else text


def _aligned(headings: Sequence[str], rows: Sequence[TableRow]) -> None:
    lines = [list(headings), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    rows_out = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    data("".join(f"{row.rstrip()}\n" for row in rows_out))


def _ruled(headings: Sequence[str], rows: Sequence[TableRow], terminal: Console) -> None:
    from rich import box
    from rich.table import Table

    ruled = Table(box=box.SIMPLE_HEAD if is_unicode(sys.stdout) else box.Box(_PLAIN_RULE, ascii=True))
    for heading, least in zip(headings, _widths(headings, rows), strict=True):
        ruled.add_column(heading, overflow="fold", min_width=least)
    for row in rows:
        ruled.add_row(*map(_marked, row))
    terminal.print(ruled)


def _records(headings: Sequence[str], rows: Sequence[TableRow], terminal: Console) -> None:
    """Each row as a list with the headings in front; of two columns, the first is the heading of the second."""
    margin = _INDENT if len(headings) == 2 else max(map(len, headings)) + 2
    terminal.print()
    for row in rows:
        if len(headings) == 2:
            terminal.print(f"[bold]{escaped(str(row[0]))}[/]", soft_wrap=True)
            _record("", row[1], margin, terminal)
            continue
        for heading, cell in zip(headings, row, strict=True):
            _record(heading, cell, margin, terminal)
        terminal.print()


def _record(heading: str, cell: str | Painted, margin: int, terminal: Console) -> None:
    first, *continued = _wrapped(str(cell), terminal.width - margin)
    shown = Painted(first, cell.colour) if isinstance(cell, Painted) else first
    terminal.print(f"[bold]{escaped(heading.ljust(margin))}[/]{_marked(shown)}", soft_wrap=True)
    for line in continued:
        terminal.print(" " * margin + escaped(line), soft_wrap=True)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, _READABLE), break_long_words=False, break_on_hyphens=False) or [""]


def _marked(cell: str | Painted) -> str:
    return f"[{cell.colour}]{escaped(cell.text)}[/]" if isinstance(cell, Painted) else escaped(cell)


def _widths(headings: Sequence[str], rows: Sequence[TableRow]) -> list[int]:
    """The width of each column in which no word is cut."""
    return [
        max(_longest(text) for text in (heading, *(str(row[column]) for row in rows)))
        for column, heading in enumerate(headings)
    ]


def _narrowest(headings: Sequence[str], rows: Sequence[TableRow]) -> int:
    return sum(_widths(headings, rows)) + _BETWEEN * (len(headings) - 1) + 2


def _longest(text: str) -> int:
    return max(map(len, text.split()), default=0)

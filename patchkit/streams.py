"""Standard input, output and error: open in any case, and what is written to stdout is written whole.

A stream that was closed by the caller (``>&-``) would leave its number to the next file that is opened. An unbuffered
stdout (``PYTHONUNBUFFERED``) would write as much as fits and drop the rest without an error.
"""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO

from patchkit.encoding import is_unicode
from patchkit.errors import DiskFullError

# A stdout that was closed can't be written to; gnulib's stdopen opens it the same way, for reading.
_CLOSED = ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY))


def install() -> None:
    """Open the standard streams that are closed, and let stdout write all of what it is given."""
    for number, flags in _CLOSED:
        _open_where_closed(number, flags)
    sys.stdin = sys.stdin or _text(0, "r")
    sys.stderr = sys.stderr or _text(2, "w")
    if sys.stdout is None:
        sys.stdout = _text(1, "w")
    elif isinstance(sys.stdout, io.TextIOWrapper) and isinstance(sys.stdout.buffer, io.RawIOBase):
        old = sys.stdout
        buffered = io.BufferedWriter(old.detach())
        sys.stdout = io.TextIOWrapper(buffered, encoding=old.encoding, errors=old.errors, write_through=True)


def write(text: str) -> None:
    """Write ``text`` to stdout, whole. A reader that has ended (| head) is not an error.

    On terminals without Unicode, letters are replaced as :mod:`patchkit.encoding` has it. Raises DiskFullError where
    stdout takes no more, or is closed.
    """
    stream = sys.stdout
    with taking_all():
        if stream.isatty() and not is_unicode(stream):
            stream.write(text)
            stream.flush()
        else:
            _write_whole(stream.buffer, text.encode("utf-8", "surrogateescape"))


@contextmanager
def taking_all() -> Iterator[None]:
    """Turn an OSError of stdout within the context into DiskFullError. For writing alone, not for work.

    A pipe whose reader has gone is not an error: what is written goes nowhere.
    """
    try:
        yield
    except BrokenPipeError:
        to_nobody(sys.stdout)
    except OSError as error:
        to_nobody(sys.stdout)
        raise DiskFullError(
            "standard output does not take all of the output",
            why=f"{error.strerror}; what has been written is not complete",
            advice="free some space, or send the output elsewhere",
        ) from error


def to_nobody(stream: TextIO) -> None:
    """Let ``stream``, which takes no more, write to nothing; or Python would fail once more at its own end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _open_where_closed(number: int, flags: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, flags)
        if opened == number:
            os.set_inheritable(number, True)
        else:
            os.dup2(opened, number)
            os.close(opened)


def _text(number: int, mode: str) -> TextIO:
    return open(number, mode, encoding="utf-8", errors="replace", closefd=False)  # type: ignore[return-value]


def _write_whole(stream: BinaryIO, content: bytes) -> None:
    """Write ``content``; wait where ``stream`` does not block (as terminals do that a Node.js program has used)."""
    left = memoryview(content)
    while left:
        try:
            written = stream.write(left)
        except BlockingIOError as full:
            written = full.characters_written
            select.select([], [stream], [])
        left = left[written or 0 :]
    while True:
        try:
            return stream.flush()
        except BlockingIOError:
            select.select([], [stream], [])

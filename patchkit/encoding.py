"""Letters that a stream's encoding does not have: written as plain letters, never a reason to fail.

Python uses UTF-8 in the locale C by itself (PEP 538, PEP 540). This is for other cases: an old locale with an encoding
of its own, or PYTHONIOENCODING.
"""

from __future__ import annotations

import codecs
import io
import sys
from typing import TextIO

PLAIN = "patchkit-plain"
"""The name of the error handler that :func:`install` registers."""
_INSTEAD = {
    "→": "->",
    "←": "<-",
    "…": "...",
    "\N{EN DASH}": "-",
    "\N{MULTIPLICATION SIGN}": "x",
    "≤": "<=",
    "≥": ">=",
    "±": "+-",
    "─": "-",
    "•": "*",
    "\N{MIDDLE DOT}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{CHECK MARK}": "+",
    "\N{BALLOT X}": "x",
}


def install() -> None:
    """Let stdout and stderr write any text."""
    codecs.register_error(PLAIN, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not is_unicode(stream):
            stream.reconfigure(errors=PLAIN)


def is_unicode(stream: TextIO) -> bool:
    """Return whether ``stream`` can hold every letter."""
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_INSTEAD.get(letter, "?") for letter in error.object[error.start : error.end]), error.end

"""Texts of others, made fit to be printed: no control characters, no passwords.

A file's name, a git ref or a server's answer can hold a terminal's control sequences; a URL can hold a password.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_LINE_KEPT = "\n\t"
# Control characters, those that reorder what is read, separators of lines, and halves of pairs.
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_MAY_BE_UNSEEN = re.compile(r"[^ -~]")
_LINE_END = re.compile(r"[ \t]*(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])\s*")
# Up to the last @ in front of the path, as browsers and curl read it. A URL taken for a path has one slash.
_USER = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*:/{1,2})([^\s/?#\"'\\]+)@")
_HIDDEN = "***"
_LONGEST = 500  # characters
_TOLD = 40  # names, numbers or lines in an error; a table has them all


def visible(text: str, *, kept: str = _LINE_KEPT) -> str:
    """Return ``text`` with every control character but those in ``kept`` as Python writes it, such as ``\\x1b``."""
    return _MAY_BE_UNSEEN.sub(lambda match: match[0] if match[0] in kept else _escaped(match[0]), text)


def in_one_line(text: str) -> str:
    """Return ``text`` with every control character visible, line ends and tabs among them."""
    return visible(text, kept="")


def header_value(text: str) -> str:
    """Return ``text`` as the value of a header's field: one line, in which every control character is visible.

    For all that is written into a header of a diff, a mail or a package: what others wrote can't add a field to it.
    """
    return in_one_line(_LINE_END.sub(" ", text))


def without_passwords(text: str) -> str:
    """Return ``text`` with the passwords of its URLs replaced by asterisks.

    Of ``http`` and ``https`` URLs the user's name as well, since it can be a token.
    """
    return _USER.sub(_without_password, text) if "@" in text else text


def printable(text: str) -> str:
    """Return ``text`` without passwords, and with all control characters but line ends and tabs visible."""
    return visible(without_passwords(text))


def shortened(text: str) -> str:
    """Return ``text``, and of one that no line or column of a table has room for its beginning."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def listed(things: Sequence[object]) -> str:
    """Write numbers or names as an error has them, the first ones of many."""
    return ", ".join([*map(str, things[:_TOLD]), *(["…"] if len(things) > _TOLD else [])])


def first_lines(lines: Sequence[str]) -> str:
    """Write ``lines`` as an error has them: the first ones of many, and how many there are besides."""
    more = len(lines) - _TOLD
    return "\n".join([*lines[:_TOLD], *([f"and {more} more"] if more > 0 else [])])


def _escaped(character: str) -> str:
    return ascii(character)[1:-1] if unicodedata.category(character) in _UNSEEN else character


def _without_password(match: re.Match[str]) -> str:
    scheme, user = match[1], match[2]
    if scheme.lower().startswith("http"):
        return f"{scheme}{_HIDDEN}@"
    name, colon, _ = user.partition(":")
    return f"{scheme}{name}:{_HIDDEN}@" if colon else match[0]

"""Patches as mails in one mbox, which is what ``git am`` reads.

``git am`` gives a commit the mail's author, date and subject, and the text up to the line of three dashes as its
message. In that text it looks for more than it should; lines that it would take for something else go in by a blank.
"""

from __future__ import annotations

import binascii
import datetime
import re
from collections.abc import Sequence
from email.header import Header
from email.message import Message
from email.utils import format_datetime, formataddr

from patchkit import __version__
from patchkit.patching.combination import Combination
from patchkit.patching.render import Rendered
from patchkit.patching.variants import Variant
from patchkit.printable import header_value, visible

# Where a mail begins. git writes the commit there, or zeros (--zero-commit).
_FROM = b"From " + b"0" * 40 + b" Mon Sep 17 00:00:00 2001\n"
# What git-mailinfo and git-mailsplit take for a mail, a header, or the beginning of a diff.
_MISTAKEN = re.compile(
    r"^(?=diff -|Index: |---|>?From |\[|(?:From|Subject|Date|MIME-Version|Message-ID|Content-[\w-]+):)",
    re.MULTILINE | re.IGNORECASE,
)


def mbox(combined: Combination, series: Sequence[Rendered]) -> bytes:
    """Write one mail for each part of ``combined``; ``series`` is what ``render_series`` returns for it."""
    mails = []
    for number, (part, rendered) in enumerate(zip(combined.one_by_one.parts, series, strict=True), 1):
        prefix = "[PATCH]" if len(series) == 1 else f"[PATCH {number}/{len(series)}]"
        mails.append(_FROM + _mail(part, rendered, prefix))
    return b"\n".join(mails)


def _mail(part: Variant, rendered: Rendered, prefix: str) -> bytes:
    header, start, rest = rendered.diff.partition(b"\ndiff --git ")
    # The mail itself has the author and the title; a blank begins a continued line.
    given = (" ", "Description:", "Author:", "---")
    fields = [line for line in header.decode().split("\n") if not line.startswith(given)]
    text = _MISTAKEN.sub(" ", visible(part.description.strip())) + "\n\n" + "\n".join(fields) + "\n---\n"
    body = text.encode() + start[1:] + rest + f"-- \npatchkit {__version__}\n".encode()
    # git-mailsplit takes a CR from the end of a line, unless the line is encoded.
    quoted = b"\r" in body
    mail: Message[Header | str, Header | str] = Message()
    mail["From"] = _address(header_value(part.author))
    mail["Date"] = format_datetime(datetime.datetime.combine(part.last_update, datetime.time(), datetime.UTC))
    # The class folds it, and encodes what is not ASCII.
    mail["Subject"] = Header(header_value(f"{prefix} {part.title}"), header_name="Subject")
    mail["MIME-Version"] = "1.0"
    mail["Content-Type"] = 'text/plain; charset="utf-8"'
    mail["Content-Transfer-Encoding"] = "quoted-printable" if quoted else "8bit"
    if quoted:
        body = b"\n".join(binascii.b2a_qp(line, istext=False) for line in body.split(b"\n"))
    return mail.as_bytes() + body


def _address(author: str) -> str:
    """The author as an address; ``NAME <>`` when no address is known, which git accepts."""
    named = re.fullmatch(r"(.*?)\s*<([^<>@\s]+@[^<>@\s]+)>", author)
    return formataddr((named[1], named[2]) if named else (author, ""))

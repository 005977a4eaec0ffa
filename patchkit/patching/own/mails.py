"""Take an mbox apart: one patch a mail, as ``git format-patch`` and mail programs write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message

from patchkit.errors import BadPatchError

_FROM = re.compile(rb"^From (?:[0-9a-f]{40} |\S+@\S+ +\w{3} \w{3} ).*\n", re.MULTILINE)
_BEGINS = re.compile(rb"\A(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*){2,}\r?\n")
_MOST = 500  # mails of an mbox
_TAG = re.compile(r"^\s*(?:\[[^\]]*\]\s*)+")


@dataclass(frozen=True)
class Mail:
    """What one mail has: the patch, and what the mail says of it."""

    title: str
    author: str
    text: bytes
    """The body, decoded: talk, and the diff."""


def mails_of(data: bytes) -> list[Mail]:
    """Split ``data`` into mails; empty where it is not an mbox and not a mail. Raises BadPatchError for too many."""
    found = [match.start() for match in _FROM.finditer(data)]
    starts = [start for start in found if start == 0 or data[start - 2 : start] == b"\n\n"]
    if starts and starts[0] == 0:
        if len(starts) > _MOST:
            raise BadPatchError(f"an mbox of {len(starts)} mails", why=f"{_MOST} are taken at most", advice="split it")
        spans = zip(starts, [*starts[1:], len(data)], strict=True)
        return [_mail(data[start:end].partition(b"\n")[2]) for start, end in spans]
    head = _BEGINS.match(data)
    return [_mail(data)] if head and re.search(rb"^(?:Subject|From):", head[0], re.MULTILINE | re.IGNORECASE) else []


def _mail(data: bytes) -> Mail:
    try:
        message: Message = message_from_bytes(data)
    except RecursionError as error:
        raise BadPatchError("a mail has too many parts inside of each other", advice="save the diff alone") from error
    text = b"\n".join(_body(part) for part in message.walk() if not part.is_multipart())
    return Mail(_TAG.sub("", _header(message, "Subject")).strip(), _header(message, "From"), text)


def _body(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _header(message: Message, name: str) -> str:
    try:
        text = str(make_header(decode_header(str(message.get(name, "")))))
    except (LookupError, ValueError):
        text = str(message.get(name, ""))
    return " ".join(text.split())

"""Take an mbox or a mail apart: the patches in it, as ``git format-patch`` and mail programs write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message

from patchkit.errors import BadPatchError
from patchkit.patching.own.plain_text import plain_text, refuse_packed
from patchkit.printable import header_value

# Where a mail begins: git writes the commit there, mail programs an address or a dash. What may as well be a sentence
# has a header behind it.
_FROM = re.compile(
    rb"^From (?:[0-9a-f]{40} |\S+@\S+ +\w{3} \w{3} |\S+ +\w{3} \w{3} .*\r?\n(?=[!-9;-~]+:)).*\n", re.MULTILINE
)
_BEGINS = re.compile(rb"\A(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*){2,}\r?\n")
_IS_MAIL = re.compile(rb"^(?:Subject|From):", re.MULTILINE | re.IGNORECASE)
_DEP3 = re.compile(r"^(Description|Subject|Author|From):[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE)
_DIFF = re.compile(rb"^(?:diff --git |--- )\S", re.MULTILINE)
_IN_BODY = re.compile(rb"\A\s*((?:(?:From|Subject|Date): [^\n]*\n(?:[ \t]+\S[^\n]*\n)*)+)\r?\n", re.IGNORECASE)
_NON_ASCII_LINE = re.compile(rb"^[-+ ].*[\x80-\xff]", re.MULTILINE)
_MOST = 500  # mails of an mbox
_MOST_HEAD = 16 * 1024  # bytes in front of a diff in which its header is looked for
_TAG = re.compile(r"^\s*(?:\[[^\]]*\]\s*)+")
_ENCODINGS = ("", "7bit", "8bit", "binary", "base64", "quoted-printable", "x-uuencode", "uuencode", "uue", "x-uue")
_UTF8 = ("", "utf-8", "utf8", "us-ascii", "ascii", "unknown-8bit", "x-unknown")
_PLAIN = "save the diff alone, as a file: the attachment, or what `git format-patch` writes"


@dataclass(frozen=True)
class Mail:
    """One patch of a mail, and what the mail says of it."""

    title: str
    author: str
    text: bytes
    """The body, decoded, or an attachment: talk, and the diff."""

    @property
    def has_diff(self) -> bool:
        """Whether there is a diff in it."""
        return _DIFF.search(self.text) is not None


def mails_of(data: bytes) -> list[Mail]:
    """Split ``data`` into mails; empty where it is not an mbox and not a mail. Each attached diff counts as a mail.

    Raises BadPatchError for too many, and for what can't be decoded as it was meant.
    """
    separators = [match.start() for match in _FROM.finditer(data)]
    starts = [
        start for start in separators if start == 0 or data[max(0, start - 3) : start].endswith((b"\n\n", b"\n\r\n"))
    ]
    if starts and starts[0] == 0:
        if len(starts) > _MOST:
            raise BadPatchError(f"an mbox of {len(starts)} mails", why=f"{_MOST} are taken at most", advice="split it")
        spans = zip(starts, [*starts[1:], len(data)], strict=True)
        return [mail for start, end in spans for mail in _mail(data[start:end].partition(b"\n")[2])]
    head = _BEGINS.match(data)
    return _mail(data) if head and _IS_MAIL.search(head[0]) else []


def described(data: bytes) -> Mail:
    """Read what the DEP-3 header in front of a diff states of it: a title and an author, or neither."""
    head = data[:_MOST_HEAD]
    diff = _DIFF.search(head)
    text = head[: diff.start() if diff else 0].decode("utf-8", "replace")
    fields = {name.lower(): header_value(value.strip()) for name, value in reversed(_DEP3.findall(text))}
    title = fields.get("description") or _TAG.sub("", fields.get("subject", ""))
    return Mail(title, fields.get("author") or fields.get("from", ""), data)


def _mail(data: bytes) -> list[Mail]:
    """The body of one mail, and each attachment with a diff."""
    try:
        message: Message = message_from_bytes(data)
    except RecursionError as error:
        raise BadPatchError("a mail has too many parts inside of each other", advice="save the diff alone") from error
    title, author = _TAG.sub("", _header(message, "Subject")).strip(), _header(message, "From")
    bodies: list[bytes] = []
    attached: list[tuple[str, bytes]] = []
    pages = 0
    for part in _leaves(message):
        text = _text(part)
        if part.get_content_type() == "text/html":
            pages += text.find(b"@@ -") >= 0
        elif part.get_content_disposition() == "attachment" or part.get_content_type() != "text/plain":
            attached += [(_file_name(part), text)] if _DIFF.search(text) else []
        else:
            bodies.append(text)
    body = b"\n".join(bodies)
    attached = [(name, text) for name, text in attached if text not in bodies]
    if pages and not attached and not _DIFF.search(body):
        raise BadPatchError("a mail has its diff as a page of HTML", why="its lines can't be told", advice=_PLAIN)
    title, author = _in_body(body, title, author)
    whole = Mail(title, author, body)
    if not attached:
        return [whole]
    mails = [mail for name, text in attached for mail in _attachment(name, text, whole, alone=len(attached) == 1)]
    return [whole, *mails] if whole.has_diff else mails


def _attachment(name: str, text: bytes, mail: Mail, *, alone: bool) -> list[Mail]:
    """What one attachment is: mails, as `git format-patch` writes them, or a diff."""
    mails = [part for part in mails_of(text) if part.has_diff]
    if mails:
        return [Mail(part.title or mail.title, part.author or mail.author, part.text) for part in mails]
    stated = described(text)
    title = stated.title or (mail.title if alone else header_value(f"{mail.title}: {name}" if mail.title else name))
    return [Mail(title, stated.author or mail.author, text)]


def _leaves(message: Message) -> Iterator[Message]:
    for part in message.walk():
        if part.get_content_type() in ("multipart/encrypted", "application/pkcs7-mime"):
            raise BadPatchError("a mail is encrypted", why="its diff can't be read", advice=_PLAIN)
        if not part.is_multipart():
            yield part


def _text(part: Message) -> bytes:
    """The content of one part, decoded: text in UTF-8, whatever the mail has it in; empty for what is not text."""
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    if encoding not in _ENCODINGS:
        raise BadPatchError(
            f"a mail has its text encoded as {header_value(encoding)[:80]}",
            why="patchkit knows base64 and quoted-printable",
            advice=_PLAIN,
        )
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return b""
    name = _file_name(part)
    if part.get_content_maintype() != "text":
        if name.lower().endswith((".patch", ".diff", ".gz", ".xz", ".bz2", ".zst", ".zip")):
            refuse_packed(payload, name)
        return plain_text(payload, name) if _DIFF.search(payload) or name.lower().endswith((".patch", ".diff")) else b""
    damaged = [defect for defect in part.defects if "Base64" in type(defect).__name__]
    if damaged:
        raise BadPatchError("a mail's base64 is damaged", why=type(damaged[0]).__doc__ or "", advice=_PLAIN)
    text = plain_text(payload, name or "a mail")
    _refuse_two_readings(part, text)
    if not _DIFF.search(text.replace(b"\r\n", b"\n")):
        return text
    if str(part.get_param("format", "")).lower() == "flowed":
        raise BadPatchError(
            "a mail has its diff in text that mail programs may wrap (format=flowed)",
            why="blanks at the ends of its lines, and in front of them, are not the diff's own",
            advice=_PLAIN,
        )
    # Encoded text has CRLF line ends on its way, whatever it had before; a diff of CRLF files has heads without.
    if encoding in ("base64", "quoted-printable") and text.count(b"\n") == text.count(b"\r\n"):
        text = text.replace(b"\r\n", b"\n")
    return text


def _refuse_two_readings(part: Message, text: bytes) -> None:
    """Raise BadPatchError where a diff has characters in another encoding than UTF-8.

    A mail program means characters; git puts a file's own bytes into a mail, whatever the mail states.
    """
    charset = str(part.get_content_charset() or "").lower()
    if charset in _UTF8 or text.isascii():
        return
    diff = _DIFF.search(text)
    if diff is not None and _NON_ASCII_LINE.search(text, diff.start()):
        raise BadPatchError(
            f"a mail has a diff with characters that are not ASCII, in {header_value(charset)[:80]}",
            why="whether the file has these bytes, or the same characters in UTF-8, can't be told",
            advice=_PLAIN,
        )


def _in_body(body: bytes, title: str, author: str) -> tuple[str, str]:
    """Title and author, as lines at the top of the body state them for a mail that somebody else has sent."""
    head = _IN_BODY.match(body)
    if head is None:
        return title, author
    message = message_from_bytes(head[1] + b"\n")
    return _TAG.sub("", _header(message, "Subject")).strip() or title, _header(message, "From") or author


def _file_name(part: Message) -> str:
    return header_value(str(part.get_filename() or ""))[:200]


def _header(message: Message, name: str) -> str:
    try:
        text = str(make_header(decode_header(str(message.get(name, "")))))
    except (LookupError, ValueError):
        text = str(message.get(name, ""))
    return header_value(" ".join(text.split()))

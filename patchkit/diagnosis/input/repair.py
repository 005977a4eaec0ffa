"""Undo what carriers have done to a log: journald's exports, JSON of containers, and lines broken by a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain

from patchkit.diagnosis.input.framing import Framer

_HEAD = 1 << 18  # bytes by which a whole log is judged
_WIDTHS = range(40, 260)  # columns of terminals and mail programs
_MOST_BROKEN = 12  # parts of one line
_EXPORT = re.compile(rb"^(?:__CURSOR|__REALTIME_TIMESTAMP)=", re.MULTILINE)
_PRETTY = re.compile(rb'^\s*"__REALTIME_TIMESTAMP" : "', re.MULTILINE)
_FIELD = re.compile(rb'\s*"?(MESSAGE|SYSLOG_IDENTIFIER|_PID|__REALTIME_TIMESTAMP)(?:=| : )(.*)')
_MESSAGES = ("MESSAGE", "log", "message", "msg", "line")
_TIMES = ("__REALTIME_TIMESTAMP", "time", "timestamp", "@timestamp", "ts")
_YEARS = range(1, 253_402_300_800)  # seconds that datetime can hold
_LONGEST_JSON = 65_536  # bytes
JSON_WORDS = (b'"MESSAGE":[', b'"MESSAGE" : [')
"""What a line of JSON has in it whose message is a list of bytes: other words cannot be found in it."""


def repaired(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield ``pieces`` with one message on one line. Lines keep their numbers."""
    head, rest = _head(pieces)
    if _is_export(head):
        return _records(rest)
    width = broken_at(head[:_HEAD])
    return _joined(rest, *width) if width else rest


def unbroken(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines of ``pieces``, those that a terminal has broken joined."""
    head, rest = _head(pieces)
    width = None if _is_export(head) else broken_at(head[:_HEAD])
    return _lines(_joined(rest, *width) if width else rest)


def _head(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEAD:
            break
    return head, chain((head,), pieces)


def _is_export(head: bytes) -> bool:
    if b"__CURSOR=" not in head and b"__REALTIME_TIMESTAMP" not in head:
        return False  # at once: the patterns take as long as a megabyte of a log
    return bool(_EXPORT.search(head) or _PRETTY.search(head))


def from_json(line: bytes) -> bytes:
    """Return the message of ``line`` with its time and program before it; ``line`` itself where it is not JSON."""
    text = line.strip().rstrip(b",")
    if not (text.startswith(b"{") and text.endswith(b"}")) or len(text) > _LONGEST_JSON:
        return line
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return line
    if not isinstance(fields, dict):
        return line
    message = next((fields[name] for name in _MESSAGES if name in fields), None)
    if isinstance(message, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in message):
        message = bytes(message).decode("utf-8", "replace")
    if not isinstance(message, str):
        return line
    program = fields.get("SYSLOG_IDENTIFIER")
    tag = (
        f"{program}[{fields.get('_PID', 0)}]: "
        if isinstance(program, str) and re.fullmatch(r"[\w.@/+-]+", program)
        else ""
    )
    time = next((_iso(fields[name]) for name in _TIMES if name in fields), "")
    first, *_ = message.strip().split("\n") or [""]
    return f"{time}{tag}{first}".encode("utf-8", "replace")


def _iso(value: object) -> str:
    """A time of JSON's as this package reads it, with a blank behind it; empty where it is none."""
    text = str(value)
    if text.isascii() and text.isdigit():
        number = int(text[:20])
        seconds, micro = (number // 10**6, number % 10**6) if len(text) > 13 else (number, 0)
        if len(text) == 13:
            seconds, micro = number // 1000, number % 1000 * 1000
        if seconds not in _YEARS:
            return ""
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micro:06d}Z "
    return f"{text} " if re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", text) and len(text) < 48 else ""


def _records(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """journalctl -o export and -o json-pretty: a field a line, the message in place of its field's line."""
    fields: dict[bytes, bytes] = {}
    for line in _lines(pieces):
        match = _FIELD.match(line)
        if match is None:
            if not line.strip() or line.startswith((b"}", b"{", b"__CURSOR")):
                fields = {}
            yield b"\n"
            continue
        name, value = match[1], match[2].strip().rstrip(b",").strip(b'"') if b'"' in line[:2] + line[:1] else match[2]
        fields[name] = value[:_LONGEST_JSON]
        if name != b"MESSAGE":
            yield b"\n"
            continue
        time = _iso(fields.get(b"__REALTIME_TIMESTAMP", b"").decode("ascii", "replace")).encode()
        yield time + value + b"\n"


def broken_at(head: bytes) -> tuple[int, bool] | None:
    """Find the width at which the lines of ``head`` are broken, and whether between words; None where they are not."""
    framer = Framer()
    lines = [line.rstrip("\r") for line in head.decode("utf-8", "replace").split("\n")]
    width = max(map(len, lines), default=0)
    if width not in _WIDTHS:
        return None
    framed = [framer.is_framed(line) for line in lines]
    if not any(framed):
        return None
    hard = soft = others = 0
    for before, line, was_framed, is_framed in zip(
        lines, lines[1:], [framed[0], *framed[1:]], framed[1:], strict=False
    ):
        if is_framed or not re.search(r"\w", line):
            continue
        if len(before) == width:
            hard += 1
        elif before and was_framed and len(before) + 1 + len(line.split(" ", 1)[0]) > width:
            soft += 1
        else:
            others += 1
    if hard + soft == 0 or others > hard + soft:
        return None
    return width, soft > hard


def _joined(pieces: Iterable[bytes], width: int, between_words: bool) -> Iterator[bytes]:
    """Join what was broken; blank lines behind it keep the numbers of those that follow."""
    framer = Framer()
    held: list[bytes] = []
    last_length = 0
    for line in _lines(pieces):
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        is_new = framer.is_framed(text[:400])
        is_full = last_length >= width - (len(text.split(" ", 1)[0]) if between_words else 1)
        if held and not is_new and is_full and text.strip() and len(held) < _MOST_BROKEN:
            glue = b" " if between_words or last_length < width else b""
            held.append(glue + line.rstrip(b"\r\n"))
        else:
            yield b"".join(held) + b"\n" * len(held)
            held = [line.rstrip(b"\r\n")]
        last_length = len(text)
    yield b"".join(held) + b"\n" * len(held)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Split ``pieces`` into lines with their ends; one of more than a megabyte comes in parts without an end."""
    residue = b""
    for piece in pieces:
        block = residue + piece
        *lines, residue = block.split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(residue) > 1 << 20:
            yield residue
            residue = b""
    if residue:
        yield residue

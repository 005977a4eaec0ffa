"""What the runner gives back: a line of JSON, then the parts that it names, one behind the other."""

from __future__ import annotations

import zlib

from . import plain_json

TYPE_CHECKING = False  # typing would be compiled at every boot
if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC = b"patchkit-lab-2\n"


def packed(outcome: Mapping[str, object], parts: Mapping[str, bytes]) -> bytes:
    """The bytes to send: magic, length, checksum, then JSON and parts."""
    head = {**outcome, "parts": {name: len(parts[name]) for name in sorted(parts)}}
    body = plain_json.dumps(head).encode() + b"\n" + b"".join(parts[name] for name in sorted(parts))
    return MAGIC + b"%020d %08x\n" % (len(body), zlib.crc32(body)) + body


def unpacked(data: bytes) -> list[tuple[dict[str, object], dict[str, bytes]]]:
    """The outcome and the parts of each trial. Raises ValueError where one is not whole."""
    import json  # on the host, where it is there already

    answers = []
    while data:
        if not data.startswith(MAGIC):
            raise ValueError("what came is no answer")
        head, _, rest = data[len(MAGIC) :].partition(b"\n")
        length, _, checksum = head.decode().partition(" ")
        body, data = rest[: int(length)], rest[int(length) :]
        if len(body) != int(length) or f"{zlib.crc32(body):08x}" != checksum:
            raise ValueError(f"{len(body)} of {int(length)} bytes came")
        line, _, rest = body.partition(b"\n")
        outcome = json.loads(line)
        parts = {}
        for name, size in outcome.pop("parts").items():
            parts[name], rest = rest[:size], rest[size:]
        answers.append((outcome, parts))
    return answers
